"""The batches that are decided and not committed yet. If one's conditions break, they are decided again.

Conditions break when another processor has written what a decision has read. Only the batch at the front can
find that. Those behind it were decided on the states that it left, so all of them are decided again, in their
order: each while the log is held, so nobody else can write in between.

From then on the processors contend: to decide ahead would be in vain. Each batch is decided while the log is
held, until some in a row have met nothing of others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.event_log import AppendConflict, ConditionsBroken, IndexNotKept
from commander.eventstore.projections.inline import InlineProjections
from commander.eventstore.projections.serving import hold_log
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.command_batch import CommandBatch
from commander.streaming.commands.key_holders import KeyHolders
from commander.streaming.newer_code import NotKnown

logger = logging.getLogger("commander.processor")

_CALM = 3
"""After so many batches that have met nothing of others, batches are decided ahead again.

No more than this are decided ahead, so none of those that were undone is left then."""

_LARGE = 100
"""So many commands are a large batch: a processor with smaller ones is not the bottleneck."""


class DecidedBatches:
    """Decides batches, in order, and commits the one at the front.

    contended: whether they are decided at the commit, while the log is held, and not ahead.
    held: how many large batches in a row were decided so, without an end to it.
    """

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
        self.contended = False
        self.held = 0
        self._calm = 0

    async def decide(self, batch: CommandBatch) -> None:
        """Decides a batch on the states that the batches before it left; not yet if others contend."""
        async with self._deciding:
            self._holders.shrink()
            if not self.contended:
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
        return batch

    def forget(self) -> None:
        """Forgets all batches: their commits were cancelled. What they decided on is not known any more."""
        for batch in self._batches:
            self._states.evict(batch.streams)
        self._holders.clear()
        self._batches.clear()

    async def _committed(self, connection: Connection, batch: CommandBatch) -> None:
        if batch.is_decided:
            try:
                return await batch.commit(connection, self._inline)
            except ConditionsBroken:
                async with self._deciding:
                    self._undo()
        await self._commit_while_held(connection, batch)

    def _undo(self) -> None:
        """Undoes all decisions."""
        logger.debug("%d batches are decided again: others wrote what they read", len(self._batches))
        self.contended, self._calm = True, 0
        for batch in reversed(self._batches):
            batch.undo()

    async def _commit_while_held(self, connection: Connection, batch: CommandBatch) -> None:
        """Decides a batch on what is committed now, and commits it. Raises AppendConflict as decide_last."""
        async with self._deciding:
            with reaching_postgres(connection):  # the session may be ended while the log is held
                async with connection.transaction():
                    met = await self._commit_held(connection, batch)
        self._calm = 0 if met else self._calm + 1
        self.contended = self._calm < _CALM
        is_large = len(batch.commands) >= _LARGE
        self.held = self.held + 1 if self.contended and is_large else 0

    async def _commit_held(self, connection: Connection, batch: CommandBatch) -> bool:
        """Returns whether others had changed what was known."""
        await hold_log(connection)
        self._holders.clear()
        self._holders.asks = True
        met = await batch.decide_last(self._domain, self._database, self._states, self._now())
        try:
            await batch.commit(connection, self._inline)
        except ConditionsBroken as error:
            raise AppendConflict(str(error)) from error
        return met
