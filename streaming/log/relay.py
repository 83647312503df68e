"""The relay: mirrors the log onto the EVENTS stream, where message p is the event at position p.

Each batch is published with the sequence that it must follow. JetStream rejects a batch that does not
continue the mirror exactly. So two concurrent relays, or a repeat after a lost acknowledgement, do no harm.
The lock only saves a second relay useless work. After a rejection the relay looks at what is there: behind a
message that the log does not have at this position it does not go on.

So that the last event of EVENTS tells of all before it (agreement.py), no event may follow one of another
history. Before it publishes, the relay looks whether the log still has the last event that it has published,
at most once a second: a log that is set back and written again beyond that event, while the relay keeps its
connection, takes longer.
"""

from __future__ import annotations

import asyncio
import logging

from commander.domain.errors import CommanderError
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, sole_holder
from commander.eventstore.log.ranges import log_has
from commander.eventstore.records import RecordedEvent
from commander.streaming.log.agreement import last_event, must_agree, must_mirror
from commander.streaming.log.event_codec import message_of
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import RESTORE, StoresDiffer
from commander.streaming.nats.publishing import FEW, MAX_MESSAGES, UnexpectedSequence, chunks, publish
from commander.streaming.nats.streams import claimed
from commander.streaming.running import keep_running
from commander.streaming.tracing import SpanKind, mark_events, now_ns

logger = logging.getLogger("commander.relay")

_PAUSE_SECONDS = 0.005
"""The pause between two reads. It delays other systems under load; Commander's feed does not wait for it."""
_LOOK_SECONDS = 1.0
"""How long the last event is believed to be in the log."""


class Relay:
    """Publishes until its task is cancelled. position: the last known end of the mirror."""

    def __init__(self, database: Database, nats: Nats) -> None:
        self._database = database
        self._nats = nats
        self._atomic_above = 0
        self._unsure = False
        self._last: RecordedEvent | None = None  # the last event that is mirrored
        self._looked_at = 0.0
        self.position = 0

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries.

        Raises StoresDiffer, before it publishes anything behind an event that the log does not have, or
        behind a message that is no event; and AnotherSystem.
        """
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        self._nats.must_be_connected()  # a process without NATS leaves the mirror to another
        forget = self._nats.on_reconnect(self._become_unsure)
        try:
            async with (
                sole_holder(self._database, Lock.RELAY, 0, "commander relay") as connection,
                LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS) as log,
            ):
                await self._mirror(connection, log)
        finally:
            forget()

    def _become_unsure(self) -> None:
        """After a reconnection the server may have lost the end of the mirror. So its end is read again."""
        self._unsure = True

    async def _mirror(self, connection: Connection, log: LogReader) -> None:
        names = self._nats.names
        self.position = await self._mirrored()
        logger.info("mirroring the log from position %d", self.position)
        while not connection.is_closed():
            if self._unsure:
                self.position = await self._mirrored()
            events = await log.after(self.position, MAX_MESSAGES)
            if events:
                await self._must_continue(connection)
            else:
                self._nats.must_be_connected()
            began = now_ns()
            for chunk in chunks([message_of(names, event) for event in events]):
                stored = await publish(
                    self._nats, chunk, expected_last=self.position, atomic_above=self._atomic_above
                )
                if failed := next((s for s in stored if isinstance(s, CommanderError)), None):
                    if not isinstance(failed, UnexpectedSequence):
                        raise failed
                    await must_mirror(self._database, self._nats, self.position + 1)
                    self.position = await self._mirrored()
                    break
                self.position += len(chunk)
                self._last = events[self.position - events[0].position]
            mark_events("relay", events, began, SpanKind.PRODUCER, self._has_mirrored)

    async def _must_continue(self, connection: Connection) -> None:
        """Raises StoresDiffer if the log does not have the last event that is mirrored, and Unavailable."""
        now = asyncio.get_running_loop().time()
        if self._last is None or now < self._looked_at + _LOOK_SECONDS:
            return
        if not await log_has(connection, self._last):
            raise StoresDiffer(
                f"the log has another event at position {self._last.position} than this process has mirrored"
                f"{RESTORE}"
            )
        self._looked_at = now

    def _has_mirrored(self, event: RecordedEvent) -> bool:
        return event.position <= self.position

    async def _mirrored(self) -> int:
        """The last position in the mirror, which has the events of the log up to it. Raises StoresDiffer."""
        self._unsure = False
        await must_agree(self._database, self._nats, strict=True)
        async with self._nats.answering():
            info = await claimed(self._nats, self._nats.names.events)
        self._atomic_above = FEW if info.config.allow_atomic else MAX_MESSAGES
        self._last = await last_event(self._nats, info.state, strict=True) if info.state.messages else None
        return int(info.state.last_seq)
