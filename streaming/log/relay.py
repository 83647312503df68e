"""The relay: mirrors the log onto the EVENTS stream, where message p is the event at position p.

Each batch is published with the sequence that it must follow. JetStream rejects a batch that does not
continue the mirror exactly. So two concurrent relays, or a repeat after a lost acknowledgement, do no harm.
The lock only saves a second relay useless work. After a rejection the relay looks at what is there: behind a
message that the log does not have at this position it does not go on.
"""

from __future__ import annotations

import logging

from commander.domain.errors import CommanderError
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, sole_holder
from commander.eventstore.records import RecordedEvent
from commander.streaming.log.agreement import must_agree, must_mirror
from commander.streaming.log.event_codec import message_of
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import FEW, MAX_MESSAGES, UnexpectedSequence, chunks, publish
from commander.streaming.nats.streams import claimed
from commander.streaming.running import keep_running
from commander.streaming.tracing import SpanKind, mark_events, now_ns

logger = logging.getLogger("commander.relay")

_PAUSE_SECONDS = 0.005
"""The pause between two reads. It delays other systems under load; Commander's feed does not wait for it."""


class Relay:
    """Publishes until its task is cancelled. position: the last known end of the mirror."""

    def __init__(self, database: Database, nats: Nats) -> None:
        self._database = database
        self._nats = nats
        self._atomic_above = 0
        self._unsure = False
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
            if not events:
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
            mark_events("relay", events, began, SpanKind.PRODUCER, self._has_mirrored)

    def _has_mirrored(self, event: RecordedEvent) -> bool:
        return event.position <= self.position

    async def _mirrored(self) -> int:
        """The last position in the mirror, which has the events of the log up to it. Raises StoresDiffer."""
        self._unsure = False
        await must_agree(self._database, self._nats, strict=True)
        async with self._nats.answering():
            info = await claimed(self._nats, self._nats.names.events)
        self._atomic_above = FEW if info.config.allow_atomic else MAX_MESSAGES
        return int(info.state.last_seq)
