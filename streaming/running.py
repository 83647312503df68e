"""Keeps a part running while a server is unreachable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from commander.domain.errors import Unavailable


async def keep_running(
    once: Callable[[], Awaitable[None]], logger: logging.Logger, *, retry_seconds: float = 0.5
) -> None:
    """Runs `once` repeatedly until cancelled. Unavailable leads to a retry; any other error is raised.

    Each new reason of Unavailable is logged once.
    """
    logged = ""
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await once()
        except Unavailable as error:
            if asyncio.get_running_loop().time() - began > 10:
                logged = ""
            if str(error) != logged:
                logger.warning("%s; retrying", error)
                logged = str(error)
        await asyncio.sleep(retry_seconds)
