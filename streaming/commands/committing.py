"""Commits batches one after another. The outcomes of a batch are published while the next one commits."""

from __future__ import annotations

import asyncio
from collections import deque

from commander.eventstore.database import Database
from commander.streaming.commands.command_batch import CommandBatch
from commander.streaming.commands.decided_batches import DecidedBatches
from commander.streaming.counters import DecidingCounters
from commander.streaming.leases import ProcessorLeases
from commander.streaming.nats.connection import Nats

_STEPS_TO_THE_NEXT_COMMIT = 3
"""The turns of the event loop from the end of a commit until the next one, if it is ready, has been sent."""


class Commits:
    """The commits that have started and not ended, in order."""

    def __init__(
        self, decided: DecidedBatches, database: Database, nats: Nats, counters: DecidingCounters
    ) -> None:
        self._decided = decided
        self._database = database
        self._nats = nats
        self._counters = counters
        self._running: deque[asyncio.Task[None]] = deque()  # each waits for the one before it
        self._announcing: asyncio.Task[None] | None = None

    async def start(self, leases: ProcessorLeases) -> None:
        """Starts the commit of the next decided batch. Returns when it is sent, if no other one runs."""
        before = self._running[-1] if self._running else None
        self._running.append(asyncio.create_task(self._commit(leases, before)))
        await asyncio.sleep(0)

    async def settled(self, *, but: int = 0) -> None:
        """Waits for the running commits, except for the last `but`."""
        while len(self._running) > but:
            await self._running[0]
            self._running.popleft()

    async def announced(self) -> None:
        """Waits until every batch is committed and its outcomes are published."""
        await self.settled()
        announcing, self._announcing = self._announcing, None
        if announcing is not None:
            await announcing

    async def abandon(self) -> None:
        """Cancels all tasks. Postgres may or may not have executed a cancelled commit."""
        under_way = [*self._running, *([] if self._announcing is None else [self._announcing])]
        self._running.clear()
        self._announcing = None
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._decided.forget()

    async def _commit(self, leases: ProcessorLeases, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.shield(before)
        loop = asyncio.get_running_loop()
        began = loop.time()
        batch = await self._decided.commit(leases.connection)
        self._counters.committed(batch.decisions, len(batch.commands), loop.time() - began)
        announcing, self._announcing = self._announcing, asyncio.create_task(self._announce(batch))
        if announcing is not None:
            await announcing

    async def _announce(self, batch: CommandBatch) -> None:
        for _ in range(_STEPS_TO_THE_NEXT_COMMIT):
            await asyncio.sleep(0)
        await batch.announce(self._nats, self._database)
