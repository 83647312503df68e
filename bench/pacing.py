"""Events at a rate, whatever the rest does meanwhile: what is due is published, late or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

_EVERY_SECONDS = 0.005


async def due(events: int, per_second: float) -> AsyncIterator[range]:
    """Which events are due, counted from 0, every few milliseconds; a busy process gets more at once."""
    began = time.perf_counter()
    sent = 0
    while sent < events:
        target = min(events, int((time.perf_counter() - began) * per_second) + 1)
        if target > sent:
            yield range(sent, target)
            sent = target
        await asyncio.sleep(_EVERY_SECONDS)
