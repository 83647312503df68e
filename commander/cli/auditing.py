"""Runs the checks of an audit in several processes, and shows how far each is.

A check folds or hashes the whole log, which is work for one core. The processes are forks, because a domain
cannot be sent to a process: they have what this one has loaded.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commander.cli.joining import joined_with_any_epoch
from commander.domain import Domain
from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.audit.findings import Audit, Finding, begun
from commander.eventstore.database import Database
from commander.parts.process import loop_factory
from commander.streaming.audit.checks import all_checks
from commander.streaming.nats.connection import Nats

console = Console(highlight=False)

_MOST_PROCESSES = 8
_SHOW_SECONDS = 0.1
_GARBAGE = 50_000, 20, 20
"""Thresholds of the garbage collector: an audit makes many objects that live for one range."""


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


def audit(audited: Audited) -> list[Finding]:
    """Runs all checks, and prints a line for each. Returns all that they find.

    Raises Unavailable, NotFound and AuditEnded.
    """
    started, promises = asyncio.run(_begin(audited))
    context = multiprocessing.get_context("fork")
    extents = context.Array("q", 2 * len(promises), lock=False)
    following = context.Value("i", len(promises))
    pipes, processes = [], []
    try:
        for _ in range(min(os.cpu_count() or 1, _MOST_PROCESSES)):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_serve, args=(theirs, audited, started, following, extents))
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


async def _begin(audited: Audited) -> tuple[Audit, list[str]]:
    async with audited.connected("commander verify") as (database, nats):
        started = await begun(audited.domain, database, audited.sample)
        return started, [check.promise for check in all_checks(audited.domain, nats)]


def _serve(pipe: Pipe, audited: Audited, started: Audit, following: Any, extents: Any) -> None:
    """The work of a process: one check after the other, the last of the list first, which take longest."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_check_all(pipe, audited, started, following, extents))


async def _check_all(pipe: Pipe, audited: Audited, started: Audit, following: Any, extents: Any) -> None:
    async with audited.connected("commander verify") as (database, nats):
        checks = all_checks(audited.domain, nats)
        audit = Audit(audited.domain, database, started.position, started.commands, started.sample)
        while True:
            with following.get_lock():
                following.value -= 1
                number = following.value
            if number < 0:
                return

            def show(done: int, all_: int, number: int = number) -> None:
                extents[2 * number], extents[2 * number + 1] = done, all_

            found: list[Finding] = []
            result = _Result(number, found)
            try:
                async for finding in checks[number].run(audit, show):
                    found.append(finding)
            except Unavailable as error:
                result = result._replace(lost=(error.service, error.reason))
            except CommanderError as error:  # the other checks go on
                result = result._replace(problem=str(error))
            pipe.send(result)


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
