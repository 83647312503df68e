"""The subscribers of a server, a process of their own (client.py), on a core of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from bench.feed.client import Seen, Watch
from bench.feed.cores import CLIENT
from bench.processes import ROOT, MeasurementFailed, before_it_runs, environment_of, last_lines

_LONGEST_LINE = 64 * 1024 * 1024


class Subscribers:
    """Subscribed when entered."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def seen(self, timeout_seconds: float = 300) -> Seen:
        """Waits until each has its last event. Raises MeasurementFailed, also when a check failed."""
        return msgspec.json.decode(await self.line(timeout_seconds), type=Seen)

    async def line(self, timeout_seconds: float) -> bytes:
        assert self._process.stdout is not None and self._process.stderr is not None, "both are pipes"
        try:
            async with asyncio.timeout(timeout_seconds):
                if line := await self._process.stdout.readline():
                    return line
                lines = last_lines(await self._process.stderr.read())
        except TimeoutError:
            raise MeasurementFailed(f"the subscribers were not done in {timeout_seconds} s") from None
        raise MeasurementFailed(f"the subscribers ended:\n{lines}")


@asynccontextmanager
async def subscribed(watch: Watch, core: int | None = CLIENT) -> AsyncIterator[Subscribers]:
    """core: the one they may run on; None for any. Raises MeasurementFailed when one does not begin."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.feed.client"),
        env=environment_of({}),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        start_new_session=True,
        preexec_fn=before_it_runs(core),
    )
    assert process.stdin is not None, "it is a pipe"
    try:
        process.stdin.write(msgspec.json.encode(watch) + b"\n")
        await process.stdin.drain()
        subscribers = Subscribers(process)
        await subscribers.line(timeout_seconds=120)
        yield subscribers
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            process.kill()
        await process.wait()
