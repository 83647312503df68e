"""Interrupts code of the domain that does not return, and ends the process if that does not help.

    running ─► over its time: HandlerTimedOut is raised in it ─► it goes on: the process ends
    the interpreter is blocked for twice the time (C code that never returns): the process ends

A timer checks the stack four times within the time of a call, so it costs nothing per command or event.
What it raises is handled where the domain's code is called, like any other error of that code. There the
command, the event or the row is known.
"""

from __future__ import annotations

import asyncio
import atexit
import faulthandler
import inspect
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from commander.domain import Domain
from commander.domain.errors import HandlerStuck, HandlerTimedOut

_STDERR = 2
_CHECKS = 4
"""How often the stack is checked within the time of a call."""
_LEAST_BLOCKED_SECONDS = 3.0
"""An interpreter that runs no signal handler for less may only be waiting for a processor of the machine."""
_SUSPENDING = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR
"""The kinds of functions whose frame is the same across turns of the event loop, so it says nothing."""
_DOMAIN_API = "commander.domain."


class Check(Protocol):
    """Looks at what the main thread does now. pause_seconds: how often."""

    pause_seconds: float

    def check(self, interrupted: FrameType | None) -> None: ...


def start_timer(*checks: Check) -> None:
    """Calls the checks in the main thread until the end, also while Python code blocks the event loop.

    A process has one timer.
    """
    tick_seconds = min(check.pause_seconds for check in checks)
    due = dict.fromkeys(checks, 0.0)

    def run(_: int, interrupted: FrameType | None) -> None:
        now = time.monotonic()
        for check in checks:
            if due[check] <= now + tick_seconds / 2:
                due[check] = now + check.pause_seconds
                check.check(interrupted)

    signal.signal(signal.SIGALRM, run)
    signal.setitimer(signal.ITIMER_REAL, tick_seconds, tick_seconds)
    run(signal.SIGALRM, None)
    atexit.register(_end_timers)  # an ending interpreter has no handlers: the signal would kill it


class Watchdog:
    """Limits how long one call of the domain's code may take. Only in the main thread of a process.

    From the first check on, C code that blocks the interpreter for too long ends the process.
    """

    def __init__(self, domain: Domain, seconds: float) -> None:
        """seconds: the time of one call. It is interrupted between that and a quarter more."""
        self._modules = _modules_of(domain)
        self.pause_seconds = seconds / _CHECKS
        self._seconds = seconds
        self._call: FrameType | None = None
        self._seen = 0

    def _expect_next_check(self) -> None:
        """Lets a thread of C code end the process if Python runs no more signal handlers."""
        seconds = max(_LEAST_BLOCKED_SECONDS, 2 * self._seconds)
        faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)

    def check(self, interrupted: FrameType | None) -> None:
        """Raises HandlerTimedOut and HandlerStuck in the call that it has interrupted."""
        self._expect_next_check()
        call = self._call_into_the_domain(interrupted)
        if call is None or call is not self._call:
            self._call, self._seen = call, 0
            return
        self._seen += 1
        if self._seen >= 2 * _CHECKS:
            faulthandler.dump_traceback(file=_STDERR)
            os._exit(1)
        if self._seen >= _CHECKS:
            where = _place(interrupted, self._modules)
            kind = HandlerTimedOut if self._seen == _CHECKS else HandlerStuck
            raise kind(self._seconds, where)

    def _call_into_the_domain(self, frame: FrameType | None) -> FrameType | None:
        """The outermost call of the domain's code on this stack, within one turn of the event loop.

        The same frame again means that the same call still runs.
        """
        call = None
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module.startswith("asyncio."):
                break
            of_the_domain = module in self._modules or module.startswith(_DOMAIN_API)
            if of_the_domain and not frame.f_code.co_flags & _SUSPENDING:
                call = frame
            frame = frame.f_back
        return call


def _end_timers() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()


def _modules_of(domain: Domain) -> frozenset[str]:
    """The modules in which the author has defined the domain."""
    types = (domain.events, domain.commands, domain.aggregates, domain.projections, domain.reactors)
    functions: list[Callable[..., Any]] = [hook.function for hook in domain.submit_hooks.all]
    functions += [hook.function for hook in domain.decide_hooks.all]
    functions += [recurring.function for recurring in domain.recurring.values()]
    named = {type_.cls.__module__ for kind in types for type_ in kind.values()}
    return frozenset(named | {function.__module__ for function in functions})


def _place(frame: FrameType | None, modules: frozenset[str]) -> str:
    """Where the author's code was interrupted. It names no file, because clients may see it."""
    innermost = frame
    while frame is not None and frame.f_globals.get("__name__") not in modules:
        frame = frame.f_back
    found = frame or innermost
    if found is None:
        return "an unknown place"
    return f"{found.f_code.co_qualname}, line {found.f_lineno} of {found.f_globals.get('__name__')}"


async def end_if_the_loop_hangs(seconds: float) -> None:
    """Ends the process if its event loop is blocked for so long. Runs until cancelled.

    A thread of C code does it, so it also ends a process whose interpreter is blocked. First it writes the
    traceback.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)
            await asyncio.sleep(min(1.0, seconds / 4))
    finally:
        faulthandler.cancel_dump_traceback_later()
