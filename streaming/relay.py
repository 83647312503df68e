"""The relay: mirrors the log onto the EVENTS stream, where message p is the event at position p.

Each batch is published with the sequence it must follow, so two relays at once, or one that repeats itself
after a lost acknowledgement, cannot harm: JetStream refuses what does not continue the mirror exactly.
The lock only keeps a second relay from trying in vain.
"""

from __future__ import annotations

import logging

from commander.domain.errors import CommanderError
from eventstore.database import Connection, Database
from eventstore.locks import Lock, sole_holder
from eventstore.log import head_position, read_log
from eventstore.records import RecordedEvent
from streaming.batches import MAX_MESSAGES, UnexpectedSequence, chunks, publish
from streaming.bulk import OutMessage
from streaming.connection import Nats
from streaming.running import keep_running
from streaming.signals import Bell
from streaming.streams import EVENTS, event_subject

logger = logging.getLogger("commander.relay")


class MirrorAhead(CommanderError):
    """The EVENTS stream holds more than the log: Postgres was set back. Delete it; it is made anew."""


class Relay:
    """Publishes until its task is cancelled. position: how far the mirror reaches, as last seen."""

    def __init__(self, database: Database, nats: Nats) -> None:
        self._database = database
        self._nats = nats
        self.position = 0

    async def run(self) -> None:
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        async with (
            sole_holder(self._database, Lock.RELAY, 0, "commander relay") as connection,
            Bell(self._nats) as bell,
        ):
            await self._mirror(connection, bell)

    async def _mirror(self, connection: Connection, bell: Bell) -> None:
        self.position = await self._mirrored()
        head = await head_position(self._database)
        if self.position > head:
            raise MirrorAhead(f"the stream {EVENTS} ends at {self.position}, the log at {head}")
        logger.info("mirroring the log from position %d", self.position)
        while not connection.is_closed():
            events = await read_log(self._database, self.position, self.position + MAX_MESSAGES, MAX_MESSAGES)
            if not events:
                self._nats.must_be_connected()
                await bell.wait()
                continue
            for chunk in chunks([_message(event) for event in events]):
                stored = await publish(self._nats, chunk, expected_last=self.position)
                if failed := next((s for s in stored if isinstance(s, CommanderError)), None):
                    if not isinstance(failed, UnexpectedSequence):
                        raise failed
                    self.position = await self._mirrored()
                    break
                self.position += len(chunk)
            else:
                if len(events) < MAX_MESSAGES:
                    await bell.wait()

    async def _mirrored(self) -> int:
        async with self._nats.answering():
            return int((await self._nats.jetstream.stream_info(EVENTS)).state.last_seq)


def _message(event: RecordedEvent) -> OutMessage:
    headers = {
        "Commander-Version": str(event.version),
        "Commander-Schema-Version": str(event.schema_version),
        "Commander-Command-Id": str(event.command_id),
        "Commander-Correlation-Id": str(event.correlation_id),
        "Commander-Recorded-At": event.recorded_at.isoformat(),
    }
    if event.causation_position is not None:
        headers["Commander-Causation-Position"] = str(event.causation_position)
    return OutMessage(event_subject(event), event.data.encode(), headers)
