"""What differs between Postgres and NATS, and what was lost on which side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from nats.js import api
from nats.js.errors import NotFoundError

from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import furthest_sequences
from commander.eventstore.log.epochs import read_epochs
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.outcomes import ended_among
from commander.eventstore.log.pending import pending_among
from commander.eventstore.records import RecordedEvent, SubmittedCommand
from commander.streaming.commands.messages import commands_in
from commander.streaming.log.agreement import event_in_log
from commander.streaming.log.event_codec import ForeignMessage, event_of
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import message_at
from commander.streaming.nats.names import epoch_in
from commander.streaming.nats.ordered_consumer import OrderedConsumer

_PAGE = 500
_SECONDS = 10.0
_IDS = 1000


@dataclass
class Differences:
    """What was found. Positions are those of the log, sequences those of COMMANDS.

    log_epoch, events_epoch, commands_epoch: None for a stream that does not exist.
    head: the end of the log. mirror_end: the end of EVENTS. shared: the last position at which both are the
    same; 0 if there is none.
    lost: how many events EVENTS has that the log does not have. foreign: messages there that are no events.
    first_lost, last_lost: of these events.
    decided, queue_end: the last message of COMMANDS that is decided, and the last one that it has.
    queued: how many commands are in COMMANDS. to_decide: how many of them have no outcome.
    again: of the commands that made the lost events, those in COMMANDS, which will be decided again.
    sent_again: those that only Postgres has, as pending commands. gone: those that are nowhere.
    stale: messages of COMMANDS with reactions to events that the log does not have.
    """

    log_epoch: int
    events_epoch: int | None = None
    commands_epoch: int | None = None
    head: int = 0
    mirror_end: int = 0
    shared: int = 0
    lost: int = 0
    foreign: int = 0
    first_lost: RecordedEvent | None = None
    last_lost: RecordedEvent | None = None
    decided: int = 0
    queue_end: int = 0
    queued: int = 0
    to_decide: int = 0
    again: int = 0
    sent_again: int = 0
    gone: list[UUID] = field(default_factory=list)
    stale: list[InMessage] = field(default_factory=list)

    @property
    def mirror_differs(self) -> bool:
        """Whether EVENTS has what the log does not have."""
        return bool(self.lost or self.foreign)

    @property
    def epochs_differ(self) -> bool:
        return any(one not in (None, self.log_epoch) for one in (self.events_epoch, self.commands_epoch))

    @property
    def queue_is_behind(self) -> bool:
        """Whether COMMANDS ends before a message that is decided."""
        return self.decided > self.queue_end

    @property
    def exist(self) -> bool:
        return self.mirror_differs or self.epochs_differ or self.queue_is_behind

    @property
    def newest_epoch(self) -> int:
        """The newest epoch that any of the stores knows."""
        return max(self.log_epoch, self.events_epoch or 1, self.commands_epoch or 1)

    @property
    def kept(self) -> int:
        """The last position at which the log holds what consumers may have seen."""
        return self.shared if self.mirror_differs else self.head


async def differences(database: Database, nats: Nats) -> Differences:
    """Compares all of it; the parts must not run. Raises AnotherSystem and Unavailable.

    The names of the connection must accept any epoch.
    """
    names = nats.names
    epochs = await read_epochs(database)
    found = Differences(epochs.current, head=await head_position(database))
    lost_by: set[UUID] = set()
    if (events := await _info(nats, names.events)) is not None:
        found.events_epoch = epoch_in(events.config.metadata)
        found.mirror_end = events.state.last_seq
        found.shared = await _last_shared(database, nats, events.state, found.head)
        async for message in messages_after(nats, names.events, found.shared, found.mirror_end):
            _count_lost(found, message, lost_by)
    if (commands := await _info(nats, names.commands)) is not None:
        found.commands_epoch = epoch_in(commands.config.metadata)
        found.queue_end = commands.state.last_seq
        assert commands.created is not None, "the server always sends it"
        found.decided = (await furthest_sequences(database)).get(commands.created, 0)
        queued: set[UUID] = set()
        before = max(0, commands.state.first_seq - 1)  # 0 in a stream that never had a message
        async for message in messages_after(nats, names.commands, before, found.queue_end):
            await _count_queued(database, found, message, queued)
        ended = await _among(database, queued, ended_among)
        found.queued, found.to_decide = len(queued), len(queued - ended)
        found.again = len(lost_by & queued - ended)
        lost_by -= queued
    lost_by -= await _among(database, lost_by, ended_among)
    pending = await _among(database, lost_by, pending_among)
    found.sent_again, found.gone = len(pending), sorted(lost_by - pending)
    return found


async def stale_since(database: Database, nats: Nats, found: Differences) -> list[InMessage]:
    """Stale messages that came to COMMANDS after the comparison: a schedule fires while no part runs."""
    commands = await _info(nats, nats.names.commands)
    if commands is None:
        return []
    stale = []
    async for message in messages_after(nats, nats.names.commands, found.queue_end, commands.state.last_seq):
        sent = commands_in(message.subject, message.data)
        if any([await is_stale(database, command, found.shared) for command in sent]):
            stale.append(message)
    return stale


async def messages_after(nats: Nats, stream: str, after: int, up_to: int) -> AsyncIterator[InMessage]:
    """The messages of a stream with after < sequence <= up_to, in order. Raises Unavailable."""
    if after >= up_to:
        return
    async with OrderedConsumer(nats, stream, [], after) as reader:
        while messages := await reader.next_batch(_PAGE, _SECONDS if reader.waiting else 0):
            for message in messages:
                if message.sequence <= up_to:
                    yield message


async def _last_shared(database: Database, nats: Nats, state: api.StreamState, head: int) -> int:
    """The last position at which log and mirror have the same event, by bisection.

    An event is appended once. So if both have the same one at a position, they have the same before it.
    """
    low, high = max(0, state.first_seq - 1), min(state.last_seq, head)
    while low < high:
        middle = (low + high + 1) // 2
        if await _is_shared(database, nats, middle):
            low = middle
        else:
            high = middle - 1
    return low


async def _is_shared(database: Database, nats: Nats, position: int) -> bool:
    message = await message_at(nats, nats.names.events, position)
    try:
        return message is not None and event_of(message) == await event_in_log(database, position)
    except ForeignMessage:
        return False


def _count_lost(found: Differences, message: InMessage, lost_by: set[UUID]) -> None:
    try:
        event = event_of(message)
    except ForeignMessage:
        found.foreign += 1
        return
    found.lost += 1
    found.first_lost = found.first_lost or event
    found.last_lost = event
    lost_by.add(event.command_id)


async def _count_queued(
    database: Database, found: Differences, message: InMessage, queued: set[UUID]
) -> None:
    commands = commands_in(message.subject, message.data)
    queued |= {command.command_id for command in commands}
    if any([await is_stale(database, command, found.shared) for command in commands]):
        found.stale.append(message)


async def is_stale(database: Database, command: SubmittedCommand, shared: int) -> bool:
    """Whether a command is the reaction to an event that the log does not have. Raises Unavailable.

    shared: the last position that was not set back.
    """
    if command.causation_position is None or command.causation_position <= shared:
        return False
    event = await event_in_log(database, command.causation_position)
    return event is None or event.correlation_id != command.correlation_id


async def _among(
    database: Database,
    command_ids: set[UUID],
    ask: Callable[[Database, list[UUID]], Awaitable[set[UUID]]],
) -> set[UUID]:
    """Those of these commands that the question finds; it is asked for some at a time."""
    wanted, found = list(command_ids), set[UUID]()
    for begin in range(0, len(wanted), _IDS):
        found |= await ask(database, wanted[begin : begin + _IDS])
    return found


async def _info(nats: Nats, stream: str) -> api.StreamInfo | None:
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(stream)
        except NotFoundError:
            return None
    nats.names.must_own(info)
    return info
