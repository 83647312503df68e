"""A part that its parent holds: it waits until it is released, or its parent is gone."""

from __future__ import annotations

import asyncio
import sys

import pytest

from commander.parts.hold import Hold, until_released

HELD = """
import asyncio
from commander.parts.hold import until_released
print("loaded", flush=True)
asyncio.run(until_released())
print("released", flush=True)
"""


async def test_a_held_process_goes_on_when_it_is_released_and_not_before() -> None:
    hold = Hold()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HELD),
        stdout=asyncio.subprocess.PIPE,
        env=hold.environment,
        pass_fds=hold.inherited,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"loaded\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await process.stdout.readline()
        hold.release()
        hold.release()  # once is enough
        assert await process.stdout.readline() == b"released\n"
        assert await process.wait() == 0


async def test_a_process_that_nobody_holds_goes_on_at_once() -> None:
    async with asyncio.timeout(30):
        await until_released()
