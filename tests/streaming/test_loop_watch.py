"""What blocks the event loop is counted, and logged with its stack; what does not is not."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from types import FrameType

import pytest

from commander.streaming.loop_watch import LoopWatch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def slow_call() -> FrameType:
    return sys._getframe()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def watch(clock: Clock) -> LoopWatch:
    watch = LoopWatch(1.0, clock)
    watch.start()
    return watch


async def answered(watch: LoopWatch) -> None:
    """Lets the loop answer what it was asked."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not watch._asked


async def test_a_block_is_counted_and_logged_once_with_the_stack(
    watch: LoopWatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        clock.now += 0.25
        watch.check(slow_call())
    assert not caplog.records, "it may have interrupted the logging of a message"
    await answered(watch)
    assert (watch.blocks, watch.longest_seconds) == (1, 2.5)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "the event loop was blocked for 2.50 seconds" in record.getMessage()
    assert f'File "{__file__}"' in record.getMessage()
    assert record.getMessage().endswith("in slow_call\n    return sys._getframe()")

    clock.now += 0.25
    watch.check(slow_call())
    await answered(watch)
    clock.now += 1.25
    watch.check(slow_call())
    await answered(watch)
    assert (watch.blocks, watch.longest_seconds, len(caplog.records)) == (2, 2.5, 2)


async def test_c_code_that_lets_no_check_run_is_counted_when_it_returns(
    watch: LoopWatch, clock: Clock
) -> None:
    watch.check(slow_call())
    await answered(watch)
    clock.now += 7
    watch.check(slow_call())
    await answered(watch)
    assert (watch.blocks, watch.longest_seconds) == (1, 7)


async def test_a_busy_loop_that_answers_in_time_counts_none(
    watch: LoopWatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        clock.now += 0.9
        watch.check(slow_call())
        await answered(watch)
    assert (watch.blocks, watch.longest_seconds, caplog.records) == (0, 0, [])


SCRIPT = """
import asyncio, logging, subprocess, sys, time
from commander.streaming.loop_watch import LoopWatch
from commander.streaming.watchdog import start_timer

logging.basicConfig(format="%(message)s", stream=sys.stdout)

def in_python():
    time.sleep(0.6)

def in_c():
    sum(range(3 * 10**7))

def in_a_child():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.6)"], capture_output=True)

async def main():
    watch = LoopWatch(0.3)
    watch.start()
    start_timer(watch)
    await asyncio.sleep(0.7)
    print("idle", watch.blocks)
    for block in (in_python, in_c, in_a_child):
        block()
        await asyncio.sleep(0.2)
    print("blocked", watch.blocks, watch.longest_seconds)

if sys.argv[1] == "uvloop":
    import uvloop as loops
else:
    loops = asyncio
with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_process_counts_each_block_and_none_while_it_waits(loop: str) -> None:
    command = [sys.executable, "-c", SCRIPT, loop]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    idle, *logged, blocked = ended.stdout.splitlines()
    assert idle == "idle 0"
    word, count, longest = blocked.split()
    assert (word, count) == ("blocked", "3")
    assert float(longest) > 0.5
    at = [line.split()[-1] for line in logged if "<string>" in line]
    assert [name for name in at if name.startswith("in_")] == ["in_python", "in_c", "in_a_child"]
