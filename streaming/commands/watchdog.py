"""Ending a process whose domain code does not return.

A hung decider would hold its partitions for ever; a dead one is taken over, and the command is found. So it
is with the call of an effect that keeps the event loop from going on.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


def watch_for_hangs() -> None:
    """Makes SIGALRM write a traceback and then end the process, whatever holds the interpreter.

    The handler is C code: a regular expression that never comes back does not keep it from running. (A thread
    that waits, faulthandler's other way, is made and joined each time: 2 µs of each command in a batch.)
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGALRM, file=_STDERR, all_threads=True, chain=True)


@contextmanager
def ended_if_hung(seconds: float) -> Iterator[None]:
    """Ends the process when what is inside does not return in time; call `watch_for_hangs` before."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


async def end_if_the_loop_hangs(seconds: float) -> None:
    """Ends the process when its event loop has not come round for so long; until cancelled."""
    watch_for_hangs()
    try:
        while True:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            await asyncio.sleep(min(1.0, seconds / 4))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
