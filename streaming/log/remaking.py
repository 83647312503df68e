"""Makes the mirror again from the log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from nats.js.errors import NotFoundError

from commander.domain.errors import CommanderError
from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log
from commander.streaming.log.event_codec import message_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import MAX_MESSAGES, chunks, publish
from commander.streaming.nats.streams import ensure_streams, mirrored_position


async def remake_mirror(
    database: Database, nats: Nats, replicas: int, progress: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Deletes EVENTS, creates it, and publishes the log up to its present head. The relay does the rest.

    Consumers of EVENTS on the server are deleted with it. A relay that runs meanwhile does no harm.
    progress: is called with how many events are published, and how many there are. Raises AnotherSystem,
    StoresDiffer and Unavailable; call it again then.
    """
    await empty_mirror(nats, replicas)
    position, head = 0, await head_position(database)
    while position < head:
        events = await read_log(database, position, head, MAX_MESSAGES, max_bytes=BATCH_BYTES)
        for chunk in chunks([message_of(nats.names, event) for event in events]):
            stored = await publish(nats, chunk, expected_last=position, atomic_above=MAX_MESSAGES)
            if any(isinstance(one, CommanderError) for one in stored):
                position = await mirrored_position(nats)  # a relay was first
                break
            position += len(chunk)
        progress(min(position, head), head)


async def empty_mirror(nats: Nats, replicas: int) -> None:
    """Deletes EVENTS and creates it, empty. Raises AnotherSystem, StoresDiffer and Unavailable."""
    async with nats.answering():
        with suppress(NotFoundError):
            await nats.jetstream.delete_stream(nats.names.events)
    await ensure_streams(nats, replicas)
