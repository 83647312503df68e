"""Runs the checks of an audit in several processes, and shows how far each is.

Folds share one reading of the log. Other checks are dealt out one by one. The processes are forks, because a
domain cannot be sent to a process: they have what this one has loaded.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commander.cli.joining import joined_with_any_epoch
from commander.domain import Domain
from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.audit.findings import Audit, Check, Finding, Show, begun
from commander.eventstore.audit.log_pages import SharedPages
from commander.eventstore.database import Database
from commander.parts.process import loop_factory
from commander.streaming.audit.checks import all_checks
from commander.streaming.nats.connection import Nats

console = Console(highlight=False)

_MOST_PROCESSES = 8
_MOST_FOLDS = 6
"""The most folds in a process: each has a transaction, and rows or states in memory."""
_SHOW_SECONDS = 0.1
_GARBAGE = 50_000, 20, 20


class AuditEnded(CommanderError):
    """A process of the audit ended by itself, for example for lack of memory. Run it again."""


@dataclass(frozen=True)
class Audited:
    """The system that is audited. sample: the most snapshots to compare; None: all."""

    domain: Domain
    postgres_url: str
    nats_url: str
    sample: int | None = None

    @asynccontextmanager
    async def connected(self, name: str) -> AsyncIterator[tuple[Database, Nats]]:
        """Connections to its servers, whatever the epoch of its streams. Raises Unavailable and NotFound."""
        database = Database(self.postgres_url, command_timeout_seconds=24 * 3600)
        nats = Nats(self.nats_url)
        try:
            await nats.connect(name)
            await joined_with_any_epoch(nats, database)
            yield database, nats
        finally:
            await nats.close()
            await database.close()


class _Result(NamedTuple):
    """The result of a check. problem: why it was not completed. lost: the server that was lost, and why."""

    number: int
    found: list[Finding]
    problem: str | None = None
    lost: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Work:
    """What the processes of an audit share. groups: numbers of checks. following: how many groups are left.

    extents: for each check, how much is done, and how much there is.
    """

    audited: Audited
    started: Audit
    groups: list[list[int]]
    following: Any
    extents: Any

    def next_group(self) -> list[int] | None:
        with self.following.get_lock():
            self.following.value -= 1
            left = self.following.value
        return self.groups[left] if left >= 0 else None

    def show(self, number: int, done: int, all_: int) -> None:
        self.extents[2 * number], self.extents[2 * number + 1] = done, all_


def audit(audited: Audited) -> list[Finding]:
    """Runs all checks, and prints a line for each. Returns all that they find.

    Raises Unavailable, NotFound and AuditEnded.
    """
    started, checks = asyncio.run(_begin(audited))
    promises = [check.promise for check in checks]
    cores = min(os.cpu_count() or 1, _MOST_PROCESSES)
    groups = grouped(checks, cores)
    context = multiprocessing.get_context("fork")
    extents = context.Array("q", 2 * len(promises), lock=False)
    following = context.Value("i", len(groups))
    pipes, processes = [], []
    try:
        for _ in range(cores):
            ours, theirs = context.Pipe(duplex=False)
            work = _Work(audited, started, groups, following, extents)
            process = context.Process(target=_serve, args=(theirs, work))
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        with _bars(promises) as show:
            results = _collected(pipes, len(promises), partial(show, extents))
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return _printed(promises, results)


async def _begin(audited: Audited) -> tuple[Audit, list[Check]]:
    async with audited.connected("commander verify") as (database, nats):
        started = await begun(audited.domain, database, audited.sample)
        return started, all_checks(audited.domain, nats)


def grouped(checks: Sequence[Check], cores: int) -> list[list[int]]:
    """The numbers of the checks that run together. Folds share a reading of the log, on all cores but one."""
    folds = [number for number, check in enumerate(checks) if check.folds]
    shares = min(len(folds), max(cores - 1, ceil(len(folds) / _MOST_FOLDS), 1))
    alone = [[number] for number, check in enumerate(checks) if not check.folds]
    return alone + [folds[share::shares] for share in range(shares)]


def _serve(pipe: Pipe, work: _Work) -> None:
    """The work of a process: one group of checks after the other, the last of the list first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    collect_rarely()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_check_all(pipe, work))


def collect_rarely() -> None:
    """Lets the garbage collector of this process work rarely: most objects of an audit live for one page."""
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


async def _check_all(pipe: Pipe, work: _Work) -> None:
    async with work.audited.connected("commander verify") as (database, nats):
        checks = all_checks(work.audited.domain, nats)
        while (group := work.next_group()) is not None:
            pages = SharedPages(database, len(group))

            async def run(number: int, pages: SharedPages = pages) -> None:
                with pages.seat() as own:
                    audit = replace(work.started, database=database, pages=own)
                    pipe.send(await _result(number, checks[number], audit, partial(work.show, number)))

            async with asyncio.TaskGroup() as running:
                running.create_task(pages.read())
                for number in group:
                    running.create_task(run(number))


async def _result(number: int, check: Check, audit: Audit, show: Show) -> _Result:
    found: list[Finding] = []
    try:
        async for finding in check.run(audit, show):
            found.append(finding)
    except Unavailable as error:
        return _Result(number, found, lost=(error.service, error.reason))
    except CommanderError as error:  # the other checks go on
        return _Result(number, found, problem=str(error))
    return _Result(number, found)


def _collected(pipes: Sequence[Pipe], count: int, show: Any) -> dict[int, _Result]:
    """The results by number. Raises Unavailable and AuditEnded."""
    results: dict[int, _Result] = {}
    left = list(pipes)
    while left:
        for pipe in wait(left, _SHOW_SECONDS):
            assert isinstance(pipe, Pipe), "only pipes are waited for"
            try:
                result: _Result = pipe.recv()
            except EOFError:
                left.remove(pipe)
                continue
            if result.lost is not None:
                raise Unavailable(*result.lost)
            results[result.number] = result
        show(results)
    if len(results) < count:
        raise AuditEnded(f"{count - len(results)} checks were not completed: a process of the audit ended")
    return results


@contextmanager
def _bars(promises: Sequence[str]) -> Iterator[Any]:
    """A function that shows how far each check is: extents, and the results so far."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks = [progress.add_task(promise, total=None, visible=False) for promise in promises]

        def show(extents: Any, results: dict[int, _Result]) -> None:
            for number, task in enumerate(tasks):
                done, all_ = extents[2 * number], extents[2 * number + 1]
                progress.update(
                    task, completed=done, total=all_ or None, visible=bool(all_) and number not in results
                )

        yield show


def _printed(promises: Sequence[str], results: dict[int, _Result]) -> list[Finding]:
    for number, promise in enumerate(promises):
        result = results[number]
        if result.problem is not None:
            console.print(f"?   {promise}: {result.problem}")
        else:
            console.print(f"{'no ' if result.found else 'ok '} {promise}")
    return [finding for number in range(len(promises)) for finding in results[number].found]
