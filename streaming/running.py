"""Keeps a part running while a server is unreachable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from commander.domain.errors import Unavailable
from commander.streaming.newer_code import NotKnown

_LEFT_SECONDS = 5.0


async def keep_running(
    once: Callable[[], Awaitable[None]], logger: logging.Logger, *, retry_seconds: float = 0.5
) -> None:
    """Runs `once` repeatedly until cancelled. Unavailable leads to a retry; any other error is raised.

    NotKnown leads to a retry after a longer pause, in which a process with other code can take the work.
    Each new reason is logged once.
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
        except NotKnown as error:
            if str(error) != logged:
                logger.warning("%s; it is left to other code", error)
                logged = str(error)
            await asyncio.sleep(_LEFT_SECONDS)
        await asyncio.sleep(retry_seconds)
