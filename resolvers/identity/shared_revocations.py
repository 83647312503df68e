"""Revocations that all API processes share. They come from NATS; Postgres keeps them.

A process gets one over NATS, ends its streams at once, and stores it. What it has missed, it finds in
Postgres some seconds later, and after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.revocations import forget_revocations, store_revocations, stored_revocations
from commander.resolvers.identity.authentication import Authentication
from commander.streaming.nats.connection import Nats
from commander.streaming.revocations import revocations_from_nats

logger = logging.getLogger("commander.api")

_READ_SECONDS = 5.0
_LATELY = timedelta(seconds=60)
_KEPT = timedelta(days=400)
"""Longer than a token is accepted."""


class SharedRevocations:
    """now: seconds since 1970."""

    def __init__(
        self,
        authentication: Authentication,
        database: Database,
        nats: Nats,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._authentication = authentication
        self._database = database
        self._nats = nats
        self._now = now
        self._unstored: dict[str, float] = {}
        self._signalled = asyncio.Event()

    async def load(self) -> None:
        """Reads all that is stored. Raises Unavailable."""
        await forget_revocations(self._database, _KEPT)
        self._authentication.revoke(await stored_revocations(self._database, _KEPT))

    async def run(self) -> None:
        """Receives, stores and reads revocations until it is cancelled. Raises Unavailable without NATS."""
        async with revocations_from_nats(self._nats, self._receive):
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_READ_SECONDS):
                        await self._signalled.wait()
                self._signalled.clear()
                try:
                    await self._exchange()
                except Unavailable as error:
                    logger.debug("revocations are not stored yet: %s", error)
                    await asyncio.sleep(1)
                    if self._unstored:
                        self._signalled.set()

    def _receive(self, subjects: Sequence[str]) -> None:
        self.revoke(subjects, self._now())

    def revoke(self, subjects: Sequence[str], at: float) -> None:
        """Revokes the tokens that these subjects were given until then (seconds since 1970)."""
        revoked = dict.fromkeys(subjects, at)
        self._authentication.revoke(revoked)
        self._unstored |= revoked
        self._signalled.set()

    async def _exchange(self) -> None:
        while self._unstored:
            storing = dict(self._unstored)
            await store_revocations(self._database, storing)
            self._unstored = {who: at for who, at in self._unstored.items() if storing.get(who) != at}
        self._authentication.revoke(await stored_revocations(self._database, _LATELY))
