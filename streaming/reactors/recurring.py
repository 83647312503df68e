"""Recurring commands: those of the next tick are submitted in advance, with its time and ids derived from it.

The next tick is always submitted, so its commands are decided even if no such process runs then.

One process at a time sets ticks: the holder of a lock. So two versions of the code, side by side during a
deployment, do not undo each other's work: the newer one begins when the older one has ended. What is set
ahead is stored before it is scheduled. Whoever takes the lock compares it with its own code: commands that
its code would not send at that tick are taken back, before it sets its own.

    waiting for the lock ─► comparing ─► setting each next tick ─► waiting …
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from commander.domain import Domain
from commander.domain.new_ids import ids_of_tick
from commander.domain.recurring import RecurringType
from commander.domain.source import raised
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, sole_holder
from commander.eventstore.log.pending import forget, remember
from commander.eventstore.reactions.recurring import SetTick, forget_tick, save_tick, set_ticks
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.commands.pending_by_id import unschedule
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import queue_depth
from commander.streaming.reactors.found_ticks import scheduled_ticks
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.reactors")

_LONGEST_PAUSE = timedelta(seconds=30)


class Ticker:
    """Schedules the recurring commands of a domain until its task is cancelled.

    now: the clock; None for that of NATS, which fires schedules.
    """

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        submitter: Submitter,
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._submitter = submitter
        self._now = now or nats.clock.now
        self._set: dict[str, datetime] = {}
        self._stream_created: datetime | None = None
        self.failures: dict[str, str] = {}

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries."""
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        self._nats.must_be_connected()  # a process without NATS leaves the ticks to another
        async with sole_holder(self._database, Lock.RECURRING, 0, "commander recurring") as connection:
            self._set.clear()  # another process may have set other ticks meanwhile
            while True:
                pause = min(_LONGEST_PAUSE, await self.set_next(connection) - self._now())
                await asyncio.sleep(max(0.05, pause.total_seconds()))

    async def set_next(self, connection: Connection) -> datetime:
        """Sets each next tick, once, and takes back what other code has set. Returns when to call it again.

        connection: it holds the lock. Raises Unavailable.
        """
        created = (await queue_depth(self._nats)).created
        if created != self._stream_created:
            self._set.clear()  # a new stream has no schedules
            self._stream_created = created
        now = self._now()
        ticks = {one.name: one.cron.next_after(now) for one in self._domain.recurring.values()}
        if any(self._set.get(name) != tick for name, tick in ticks.items()) or not ticks:
            stored = await set_ticks(connection) or (await scheduled_ticks(self._nats) if ticks else {})
            for name in stored.keys() - ticks.keys():
                await self._take_back(connection, stored[name], now)
                await forget_tick(connection, name)
            for recurring in self._domain.recurring.values():
                if self._set.get(recurring.name) != ticks[recurring.name]:
                    before = stored.get(recurring.name)
                    await self._set_tick(connection, recurring, ticks[recurring.name], before, now)
        return min((now + _LONGEST_PAUSE, *ticks.values()))

    async def _set_tick(
        self,
        connection: Connection,
        recurring: RecurringType,
        tick: datetime,
        before: SetTick | None,
        now: datetime,
    ) -> None:
        try:
            commands = self._commands_at(recurring, tick)
        except Exception as error:  # an exception of the domain's code stops only this one
            reason = raised(error)
            if self.failures.get(recurring.name) != reason:
                logger.error("%s failed at its tick %s: %s", recurring.name, tick.isoformat(), reason)
            self.failures[recurring.name] = reason
            if before is not None and before.cron != recurring.cron.text:
                await self._take_back(connection, before, now)
                await forget_tick(connection, recurring.name)
            return
        if before is not None:
            await self._take_back(connection, before, now, {command.command_id for command in commands})
        await save_tick(connection, SetTick(recurring.name, recurring.cron.text, tick, commands))
        if (sent := await self._submitter.submit_all(commands)) is not None:
            await forget(connection, [command.command_id for command in commands])  # set by another process
            await remember(connection, sent)
        self._set[recurring.name] = tick
        self.failures.pop(recurring.name, None)

    def _commands_at(self, recurring: RecurringType, tick: datetime) -> tuple[SubmittedCommand, ...]:
        with ids_of_tick(recurring.name, tick):
            sent = recurring.commands_at(tick)
        numbered = enumerate(sent)
        envelopes = ((one, Envelope.of_tick(recurring.name, tick, n, self._now())) for n, one in numbered)
        return tuple(assembled(self._domain, command, envelope) for command, envelope in envelopes)

    async def _take_back(
        self, connection: Connection, before: SetTick, now: datetime, kept: Collection[UUID] = ()
    ) -> None:
        """Cancels the commands of a tick that is not due yet, except for those that are set again.

        A tick that is due was in force when it was set, so its commands stay.
        """
        left = [command for command in before.commands if command.command_id not in kept]
        if before.tick <= now or not left:
            return
        await unschedule(self._nats, left)
        await forget(connection, [command.command_id for command in left])
        text = "%s: %d commands of its tick %s, which other code has set (%s), are taken back"
        logger.info(text, before.name, len(left), before.tick.isoformat(), before.cron)
