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
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from commander.cli.joining import joined_with_any_epoch
from commander.cli.progress import LongWork, Step
from commander.cli.progress_lines import Checked
from commander.domain import Domain
from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.audit.findings import Audit, Check, Finding, Show, begun
from commander.eventstore.audit.log_pages import SharedPages
from commander.eventstore.database import Database
from commander.parts.process import loop_factory
from commander.streaming.audit.checks import all_checks
from commander.streaming.nats.connection import Nats

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


def audit(work: LongWork, audited: Audited) -> list[Finding]:
    """Runs all checks, and shows the result of each. Returns all that they find.

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
            shared = _Work(audited, started, groups, following, extents)
            process = context.Process(target=_serve, args=(theirs, shared))
            _start_unheard(process)
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        results = _collected(pipes, len(promises), _Bars(work, promises, extents))
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return _results(work, promises, results)


def _start_unheard(process: Any) -> None:
    """Starts a process that Ctrl-C does not end: this process ends it. It says itself that it ignores it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def _collected(pipes: Sequence[Pipe], count: int, bars: _Bars) -> dict[int, _Result]:
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
        bars.show(results)
    if len(results) < count:
        raise AuditEnded(f"{count - len(results)} checks were not completed: a process of the audit ended")
    return results


class _Bars:
    """How far each check is, from when it begins until it has a result. extents: as in _Work."""

    def __init__(self, work: LongWork, promises: Sequence[str], extents: Any) -> None:
        self._work = work
        self._promises = promises
        self._extents = extents
        self._steps: dict[int, Step] = {}

    def show(self, results: dict[int, _Result]) -> None:
        for number, promise in enumerate(self._promises):
            done, all_ = self._extents[2 * number], self._extents[2 * number + 1]
            if number in results:
                if (step := self._steps.get(number)) is not None:
                    step.end()
            elif all_:
                if number not in self._steps:
                    self._steps[number] = self._work.step(promise, total=all_)
                self._steps[number].update(done, all_)


def _results(work: LongWork, promises: Sequence[str], results: dict[int, _Result]) -> list[Finding]:
    for number, promise in enumerate(promises):
        found, problem = results[number].found, results[number].problem
        if problem is not None:
            work.say(f"?   {promise}: {problem}", Checked(work.name, promise, None, problem))
        else:
            text = f"{'no ' if found else 'ok '} {promise}"
            work.say(text, Checked(work.name, promise, not found))
    return [finding for number in range(len(promises)) for finding in results[number].found]
