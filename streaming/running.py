"""Keeping a part running while servers come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from commander.domain.errors import Unavailable


async def keep_running(
    once: Callable[[], Awaitable[None]], logger: logging.Logger, *, retry_seconds: float = 0.5
) -> None:
    """Runs `once` again and again, until cancelled; a reason for failing is logged when it is a new one.

    Only Unavailable is waited out: other errors pass to the caller.
    """
    told = ""
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await once()
        except Unavailable as error:
            if asyncio.get_running_loop().time() - began > 10:
                told = ""
            if str(error) != told:
                logger.warning("%s; trying on", error)
                told = str(error)
        await asyncio.sleep(retry_seconds)
