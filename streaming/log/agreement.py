"""Whether Postgres and NATS have the same history.

One of them can be set back to an older state: by a backup that is put back, or by a failover to a replica
that lagged. So each part compares them at its start, after each new connection to either, and every few
seconds:

- the epoch of the log, with that in the metadata of both streams
- the log, with the last event in EVENTS: if that one is the same, all before it are the same
- the progress of the partitions, with the end of COMMANDS

EVENTS behind the log is no difference: the relay publishes the rest. Whoever finds a difference stops.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

from nats.js import api
from nats.js.errors import NotFoundError

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import furthest_sequences
from commander.eventstore.log.epochs import read_epochs
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.log.event_codec import ForeignMessage, event_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import message_at
from commander.streaming.nats.names import RESTORE, StoresDiffer
from commander.streaming.nats.streams import WATCH_SECONDS

logger = logging.getLogger("commander.nats")

_MOST_FOREIGN = 20
"""How many foreign messages at the end of EVENTS are passed over. With more, the end cannot be compared."""


class Agreement:
    """The comparisons of one process.

    strict: a foreign message at the end of EVENTS is a difference. The relay cannot go on behind one; other
    parts do not believe it, and can.
    """

    def __init__(self, database: Database, nats: Nats, *, strict: bool) -> None:
        self._database = database
        self._nats = nats
        self._strict = strict
        self._doubted = asyncio.Event()

    async def watch(self) -> None:
        """Compares until cancelled: after each new connection, and every few seconds.

        Before the comparison nothing is requested of NATS, see `Nats.compare_first`. Raises StoresDiffer.
        """
        self._database.on_new_server(self._doubt)
        forget = self._nats.on_reconnect(self._doubt)
        self._nats.compare_first(self.compare)
        try:
            while True:
                with suppress(Unavailable):
                    await self.compare()
                with suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_SECONDS):
                        await self._doubted.wait()
                self._doubted.clear()
        finally:
            forget()

    def _doubt(self) -> None:
        self._nats.doubt()
        self._doubted.set()

    async def compare(self) -> None:
        """Raises StoresDiffer and AnotherSystem if Postgres and NATS differ, and Unavailable."""
        await must_agree(self._database, self._nats, strict=self._strict)


async def must_agree(database: Database, nats: Nats, *, strict: bool) -> None:
    """Compares once. Raises StoresDiffer, AnotherSystem and Unavailable.

    strict: see Agreement. What grows behind the other is read first, so that nothing seems ahead only because
    time has passed.
    """
    names = nats.names
    await _must_be_of_epoch(database, names.identity.epochs.current)
    decided = await furthest_sequences(database)
    if (commands := await _found(nats, names.commands)) is not None:
        _must_have_what_was_decided(commands, decided)
    events = await _found(nats, names.events)
    if events is None or not events.state.messages:
        return
    last = await last_event(nats, events.state, strict=strict)
    head = await head_position(database)
    if last is None:
        return
    if last.position > head:
        problem = f"the stream {names.events} ends at {last.position}, the log at {head}"
        raise StoresDiffer(f"{problem}{RESTORE}")
    await _must_be_in_log(database, nats, last)


async def must_mirror(database: Database, nats: Nats, position: int) -> None:
    """Compares one message of EVENTS. Raises StoresDiffer and Unavailable."""
    message = await message_at(nats, nats.names.events, position)
    if message is not None:
        try:
            await _must_be_in_log(database, nats, event_of(message))
        except ForeignMessage as error:
            raise _foreign(nats, error) from error


async def _must_be_in_log(database: Database, nats: Nats, event: RecordedEvent) -> None:
    if await event_in_log(database, event.position) != event:
        stream = nats.names.events
        raise StoresDiffer(
            f"message {event.position} of {stream} is another event than the log has at this position"
            f"{RESTORE}"
        )


async def last_event(nats: Nats, state: api.StreamState, *, strict: bool) -> RecordedEvent | None:
    """The last event in EVENTS; None if there is none. Raises Unavailable.

    Raises StoresDiffer at a foreign message; unless it is strict, only if there are too many.
    """
    stream, foreign = nats.names.events, None
    for position in range(state.last_seq, max(state.first_seq, state.last_seq - _MOST_FOREIGN) - 1, -1):
        message = await message_at(nats, stream, position)
        if message is None:  # the stream was made again in the meantime
            return None
        try:
            return event_of(message)
        except ForeignMessage as error:
            foreign = error
            if strict:
                break
    if foreign is not None:
        raise _foreign(nats, foreign)
    return None


def _foreign(nats: Nats, foreign: ForeignMessage) -> StoresDiffer:
    return StoresDiffer(
        f"{foreign}: another client of NATS has published it into {nats.names.events}, so the relay cannot "
        "go on; take away the client's right to publish there, and run commander restore"
    )


async def event_in_log(database: Database, position: int) -> RecordedEvent | None:
    """The event at a position of the log; None if there is none. Raises Unavailable."""
    found = await read_log(database, position - 1, position, 1)
    return found[0] if found else None


async def _must_be_of_epoch(database: Database, epoch: int) -> None:
    found = (await read_epochs(database)).current
    if found != epoch:
        raise StoresDiffer(
            f"the log is now of epoch {found}, and this process began with epoch {epoch}: start it again"
        )


async def _found(nats: Nats, stream: str) -> api.StreamInfo | None:
    """The state of a stream; None if there is none. Raises StoresDiffer, AnotherSystem and Unavailable."""
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(stream)
        except NotFoundError:
            return None
    nats.names.must_own(info)
    return info


def _must_have_what_was_decided(commands: api.StreamInfo, decided: dict[datetime, int]) -> None:
    assert commands.created is not None, "the server always sends it"
    furthest = decided.get(commands.created, 0)
    if furthest > commands.state.last_seq:
        raise StoresDiffer(
            f"the stream {commands.config.name} ends at {commands.state.last_seq}, but its message "
            f"{furthest} is decided{RESTORE}"
        )
