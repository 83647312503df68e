"""The audit of the mirror: message p of EVENTS must be the event at position p, headers included."""

from __future__ import annotations

from commander.eventstore.archive.verifying import Broken, Progress
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position, read_log
from commander.streaming.log.event_codec import event_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import OrderedConsumer

_PROMISE = "the mirror is exact"
_PAGE = 1000
_SHOWN = 10


async def verify_mirror(nats: Nats, database: Database, progress: Progress) -> list[Broken]:
    """The broken promises in the mirror, up to its end at the start of the audit. It may grow meanwhile.

    Raises Unavailable and AnotherSystem.
    """
    stream = nats.names.events
    async with nats.answering():
        info = await nats.jetstream.stream_info(stream)
    nats.names.must_own(info)
    state = info.state
    head = await head_position(database)
    if state.last_seq > head:
        return [Broken(_PROMISE, f"{stream} ends at {state.last_seq}, the log at {head}")]
    position = max(0, state.first_seq - 1)
    broken: list[Broken] = []
    async with OrderedConsumer(nats, stream, [], position) as mirror:
        while position < state.last_seq and len(broken) < _SHOWN:
            messages = await mirror.next_batch(_PAGE, timeout_seconds=10)
            if not messages or messages[0].sequence != position + 1:
                return [*broken, Broken(_PROMISE, f"{stream} has no message {position + 1}")]
            events = await read_log(database, position, messages[-1].sequence, len(messages))
            for event, message in zip(events, messages, strict=True):
                if event_of(message) != event:
                    broken.append(
                        Broken(
                            _PROMISE, f"message {message.sequence} differs from the event at this position"
                        )
                    )
            position = messages[-1].sequence
            progress(min(position, state.last_seq), state.last_seq)
    return broken[:_SHOWN]
