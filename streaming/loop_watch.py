"""Counts how often the event loop of a process is blocked, and logs by what."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import time
import traceback
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger("commander")

_STDERR = 2
_CHECKS = 4
"""How often the loop is checked within the time that it may be blocked."""
_LASTING = 10
"""After this many times that time, the stack is written at once: perhaps the block never ends."""


class LoopWatch:
    """What blocks the event loop for too long.

    A timer calls `check` in the main thread, also while Python code blocks the loop. Each check asks the loop
    to answer. A loop that has not answered for too long, while the main thread runs code, is blocked. When it
    answers again, the block is counted and logged with that code's stack. Times are exact to a check's pause.
    A process that gets no time of a processor, or that is stopped, can count a block too.

    blocks: how many there were. longest_seconds: the longest of them.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """seconds: how long the loop may be blocked."""
        self.blocks = 0
        self.longest_seconds = 0.0
        self.pause_seconds = seconds / _CHECKS
        self._seconds = seconds
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answered_at = 0.0
        self._asked = False
        self._stack: traceback.StackSummary | None = None
        self._written = False

    def start(self) -> None:
        """Watches the running loop. Call it in the loop."""
        self._loop = asyncio.get_running_loop()
        self._answered_at = self._clock()

    def check(self, interrupted: FrameType | None) -> None:
        """Called by a timer. It may interrupt the logging of a message, so it does not log."""
        if self._loop is None or self._loop.is_closed():
            return
        blocked_seconds = self._clock() - self._answered_at
        if blocked_seconds > self._seconds and not _is_waiting(interrupted):
            if self._stack is None:
                frames = traceback.walk_stack(interrupted)
                self._stack = traceback.StackSummary.extract(frames, lookup_lines=False)
            elif blocked_seconds > _LASTING * self._seconds and not self._written:
                self._written = True
                faulthandler.dump_traceback(_STDERR, all_threads=False)
        if not self._asked:
            self._asked = True
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        now = self._clock()
        blocked_seconds, self._answered_at = now - self._answered_at, now
        stack, self._stack, self._asked, self._written = self._stack, None, False, False
        if stack is None:
            return
        self.blocks += 1
        self.longest_seconds = max(self.longest_seconds, blocked_seconds)
        stack.reverse()
        logger.warning(
            "the event loop was blocked for %.2f seconds; the process answered nobody meanwhile. It ran:\n%s",
            blocked_seconds,
            "".join(stack.format()).rstrip(),
        )


def _is_waiting(frame: FrameType | None) -> bool:
    """Whether the loop has nothing to do: uvloop waits below `run`, asyncio's own loop in a selector."""
    at = _module(frame)
    if at == "selectors" and frame is not None:
        return _module(frame.f_back) == "asyncio.base_events"
    return at in ("", "asyncio.runners")


def _module(frame: FrameType | None) -> str:
    return "" if frame is None else str(frame.f_globals.get("__name__"))
