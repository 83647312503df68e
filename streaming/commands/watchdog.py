"""Ends a process whose domain code does not return.

A hung decider would hold its partitions for ever. If its process ends, another one takes over, and the crash
quarantine finds the command. The same holds for a call of an effect that blocks the event loop.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


def watch_for_hangs() -> None:
    """Makes SIGALRM write a traceback and then end the process, even if the interpreter is blocked.

    The handler is C code, so a regular expression that never returns does not block it. (faulthandler's other
    way, a waiting thread, is started and joined each time, which takes 2 µs of each command in a batch.)
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGALRM, file=_STDERR, all_threads=True, chain=True)


@contextmanager
def ended_if_hung(seconds: float) -> Iterator[None]:
    """Ends the process if the block does not return in time. Call `watch_for_hangs` before."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


async def end_if_the_loop_hangs(seconds: float) -> None:
    """Ends the process if its event loop is blocked for so long. Runs until cancelled."""
    watch_for_hangs()
    try:
        while True:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            await asyncio.sleep(min(1.0, seconds / 4))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
