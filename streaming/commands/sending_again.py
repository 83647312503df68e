"""Sends pending commands again that the stream COMMANDS has lost, as far as Postgres has them.

COMMANDS is lost with the disk of NATS, or because somebody deleted it. Then there is another one, created at
another time. One process at a time looks for it, at its start and every few seconds: the holder of a lock. It
sends again what has no outcome, in the order in which it was sent, and says what is lost: the commands of
clients, unless COMMANDER_KEEP_ACCEPTED is set. It also forgets the commands that have an outcome.

    waiting for the lock ─► looking ─► sending what was lost ─► forgetting what is decided ─► looking …

The deadlines of reactors and the next ticks are known elsewhere, and set again by the part reactors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, sole_holder
from commander.eventstore.log.pending import (
    LostStream,
    count_sent_again,
    forget_decided,
    lost_commands,
    saw_stream,
    sent_lost,
    undecided_commands,
)
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import queue_depth
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.commands")

_PAUSE_SECONDS = 5.0
_LATE = timedelta(minutes=1)
"""How much earlier than others a command may be due that is stored later."""
_ALL_SECONDS = 600.0
"""How often all commands are looked at, also those that were stored later than that."""
_NAMED = 10
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Named:
    """Commands, of which the first are named. count: how many."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[SubmittedCommand] = []

    def add(self, commands: Sequence[SubmittedCommand]) -> None:
        self.count += len(commands)
        self._first += commands[: _NAMED - len(self._first)]

    def __str__(self) -> str:
        names = [f"{one.type} {one.command_id}" for one in self._first]
        return ", ".join(names + ["…"] * (self.count > len(names)))


class LossWatch:
    """Looks for a lost COMMANDS until its task is cancelled."""

    def __init__(self, database: Database, nats: Nats, submitter: Submitter) -> None:
        self._database = database
        self._nats = nats
        self._submitter = submitter
        self._left_from = _BEGINNING  # earlier commands are forgotten
        self._all_at = 0.0

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries."""
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        application = "commander pending commands"
        async with sole_holder(self._database, Lock.PENDING, 0, application, durable=False) as connection:
            while True:
                await self.look(connection)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def look(self, connection: Connection) -> None:
        """Looks once. connection: it holds the lock. Raises Unavailable."""
        depth = await queue_depth(self._nats)
        lost = await saw_stream(connection, depth.created, depth.messages)
        if lost:
            self._all_at = 0.0
        sent = await self._send_lost(connection, depth.created)
        if lost or sent.count:
            await count_sent_again(connection, depth.created, sent.count)
            _log_loss(lost, sent, self._nats.names.commands)
        await self._forget_decided(connection, depth.created)

    async def _forget_decided(self, connection: Connection, created: datetime) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._all_at:
            self._left_from, self._all_at = _BEGINNING, now + _ALL_SECONDS
        left_from = await forget_decided(connection, created, self._left_from)
        self._left_from = max(self._left_from, left_from - _LATE)

    async def _send_lost(self, connection: Connection, created: datetime) -> Named:
        """Sends what was sent to other streams and has no outcome. Returns which commands."""
        sent = Named()
        while True:
            lost = await lost_commands(connection, created)
            if not lost.rows and not lost.decided:
                return sent
            await self._submitter.submit_all(lost.undecided)
            await sent_lost(connection, lost, created)
            sent.add(lost.undecided)


async def send_again(database: Database, submitter: Submitter, reactor: str | None = None) -> int:
    """Sends every pending command again that Postgres has, whatever COMMANDS has. Returns how many.

    For a NATS that was set back, and so has lost a part of COMMANDS: a command that is still queued is
    decided once, by its id. The deadlines of reactors and the next ticks are not among them: the part
    reactors sets them again when it starts. reactor: only its commands. Raises Unavailable.
    """
    count = 0
    async for page in undecided_commands(database, reactor):
        await submitter.submit_all(page)
        count += len(page)
    return count


async def pending(database: Database) -> Named:
    """The pending commands that Postgres has. Raises Unavailable."""
    found = Named()
    async for page in undecided_commands(database):
        found.add(page)
    return found


def _log_loss(lost: Sequence[LostStream], sent: Named, stream: str) -> None:
    for one in lost:
        text = (
            "the stream %s of %s is lost and another one is in its place. At the last look, at %s, it had %d "
            "messages. %d pending commands that Postgres has are sent again%s. Others are lost, as "
            "commands of clients without COMMANDER_KEEP_ACCEPTED: only the stream had their ids"
        )
        level = logging.ERROR if one.messages else logging.WARNING
        named = f" ({sent})" if sent.count else ""
        logger.log(level, text, stream, one.created, one.seen_at, one.messages, sent.count, named)
    if sent.count and not lost:
        text = "%d pending commands of a lost stream %s are sent again (%s)"
        logger.warning(text, sent.count, stream, sent)
