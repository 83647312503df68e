"""Users and watchers as processes of their own, whose lines are read as they come."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from bench.processes import ROOT, MeasurementFailed, before_it_runs, environment_of, last_lines
from bench.whole.timeline import UsersTick, WatchersTick
from bench.whole.users import Users
from bench.whole.watchers import Watchers

T = TypeVar("T")

_LONGEST_LINE = 2**26


async def use(users: Users, show: Callable[[UsersTick], None], run: Callable[[int | None], None]) -> None:
    """Lets the users do what they do. Returns when each mutation has its outcome.

    show: is called with each tick. run: with the id of the process, then with None. Raises MeasurementFailed.
    """
    process = await _started("bench.whole.users", msgspec.json.encode(users))
    run(process.pid)
    try:
        await _read(process, UsersTick, show)
        await _must_have_ended_well(process)
    finally:
        run(None)
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def watched(
    watchers: Watchers, show: Callable[[WatchersTick], None], run: Callable[[int | None], None]
) -> AsyncIterator[None]:
    """All watchers watch meanwhile. Raises MeasurementFailed, also if one has missed an event."""
    process = await _started("bench.whole.watchers", msgspec.json.encode(watchers))
    run(process.pid)
    all_watch = asyncio.Event()

    def told(tick: WatchersTick) -> None:
        if tick.watching == watchers.count:
            all_watch.set()
        show(tick)

    reading = asyncio.create_task(_read(process, WatchersTick, told))
    try:
        waiting = asyncio.create_task(all_watch.wait())
        await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        yield
        assert process.stdin is not None, "it is a pipe"
        process.stdin.close()
        await reading
        await _must_have_ended_well(process)
    finally:
        run(None)
        reading.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _started(module: str, given: bytes) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        env=environment_of({}),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=before_it_runs(None),
        limit=_LONGEST_LINE,
    )
    assert process.stdin is not None, "it is a pipe"
    process.stdin.write(given + b"\n")
    await process.stdin.drain()
    return process


async def _read(process: asyncio.subprocess.Process, kind: type[T], show: Callable[[T], None]) -> None:
    assert process.stdout is not None, "it is a pipe"
    decode = msgspec.json.Decoder(kind).decode
    async for line in process.stdout:
        show(decode(line))


async def _must_have_ended_well(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None, "it is a pipe"
    errors = await process.stderr.read()
    if await process.wait():
        raise MeasurementFailed(f"the users or watchers ended:\n{last_lines(errors)}")
