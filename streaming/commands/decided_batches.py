"""The batches that are decided and not committed yet. If one's conditions break, they are decided again.

Conditions break when another processor has written what a decision has read. Only the batch at the front can
find that. Those behind it were decided on the states that it left, so all of them are decided again, in their
order. At the last try that is done while the log is held, so nobody else can write in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.event_log import ConditionsBroken, IndexNotKept
from commander.eventstore.projections.inline import InlineProjections
from commander.eventstore.projections.serving import hold_log
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.basis import KeyHolders
from commander.streaming.commands.command_batch import CommandBatch
from commander.streaming.newer_code import NotKnown

logger = logging.getLogger("commander.processor")

_TRIES = 3
"""How often a batch is tried before the log is held for it."""


class DecidedBatches:
    """Decides batches, in order, and commits the one at the front. again: how many were decided again."""

    def __init__(
        self,
        domain: Domain,
        database: Database,
        states: AggregateCache,
        holders: KeyHolders,
        now: Callable[[], datetime],
    ) -> None:
        self._domain = domain
        self._database = database
        self._states = states
        self._holders = holders
        self._now = now
        self._inline = InlineProjections(domain)
        self._deciding = asyncio.Lock()
        self._batches: deque[CommandBatch] = deque()
        self.again = 0

    async def decide(self, batch: CommandBatch) -> None:
        """Decides a batch on the states that the batches before it left."""
        async with self._deciding:
            await batch.decide(self._domain, self._database, self._states, self._now())
            self._batches.append(batch)

    def add(self, batch: CommandBatch) -> None:
        """Adds a batch that was decided elsewhere."""
        self._batches.append(batch)

    async def commit(self, connection: Connection) -> CommandBatch:
        """Commits the batch at the front. Raises AppendConflict, Unavailable and NotKnown."""
        batch = self._batches[0]
        try:
            await self._committed(connection, batch)
        except IndexNotKept as error:
            raise NotKnown(str(error)) from error
        self._batches.popleft()
        self._holders.shrink()
        return batch

    def forget(self) -> None:
        """Forgets all batches: their commits were cancelled. What they decided on is not known any more."""
        for batch in self._batches:
            self._states.evict(batch.streams)
        self._holders.clear()
        self._batches.clear()

    async def _committed(self, connection: Connection, batch: CommandBatch) -> None:
        for _ in range(_TRIES):
            try:
                await batch.commit(connection, self._inline)
            except ConditionsBroken:
                async with self._deciding:
                    await self._decide_again()
            else:
                return
        await self._commit_while_held(connection, batch)

    async def _commit_while_held(self, connection: Connection, batch: CommandBatch) -> None:
        async with self._deciding:
            with reaching_postgres(connection):  # the session may be ended while the log is held
                async with connection.transaction():
                    await hold_log(connection)
                    await self._decide_again()
                    await batch.commit(connection, self._inline)

    async def _decide_again(self) -> None:
        """Decides all batches again, on what is committed now. Raises AppendConflict if one cannot be."""
        logger.debug("%d batches are decided again: others wrote what they read", len(self._batches))
        for batch in self._batches:
            self._states.evict(batch.streams)
        self._holders.clear()
        for batch in self._batches:
            await batch.decide_again(self._domain, self._database, self._states, self._now())
            self.again += 1
