"""Waiting for what must become true, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str, *, timeout_seconds: float = 30
) -> float:
    """Returns once the condition holds: the seconds that took. Fails, saying what did not come."""
    loop = asyncio.get_running_loop()
    began, pause_seconds = loop.time(), 0.02
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return loop.time() - began
        if loop.time() - began > timeout_seconds:
            pytest.fail(f"not in {timeout_seconds} s: {what}")
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(1.2 * pause_seconds, 0.1)  # asking takes time from what is waited for
