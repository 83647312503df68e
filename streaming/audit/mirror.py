"""EVENTS: it has every event of the log at its position, nothing else, and keeps all of them.

What is alike byte for byte is passed over, many messages at once (alike.py). Others are compared with their
event one by one, as bytes too (expected.py). Only one that differs is decoded, and compared again. So another
spelling of a header is no difference: what a message means is what counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from itertools import pairwise
from operator import attrgetter

from nats.js import api
from nats.js.errors import NotFoundError

from commander.domain import Domain
from commander.eventstore.audit.copying import copied
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.restoring import fits
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.audit.alike import alike_up_to
from commander.streaming.audit.expected import COLUMNS, ExpectedPage, selects_between
from commander.streaming.log.event_codec import ForeignMessage, epoch_of, event_of
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import message_at
from commander.streaming.nats.names import Names
from commander.streaming.nats.ordered_consumer import OrderedConsumer

_MESSAGES = 2_000
_LOOKED_AT = 5_000
"""How many messages are looked at one by one after those that are alike."""
_FUTILE = 3
"""So often nothing was alike: then all others are looked at one by one."""
_WAIT_SECONDS = 10.0
_MOST = 100
_MIRROR = Repair(Mend.MIRROR)


def mirror_checks(nats: Nats) -> list[Check]:
    """The checks of the mirror on this connection."""

    async def extent(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        info = await _info(nats)
        if info is None:
            yield Finding(Kind.MIRROR_MISSING, nats.names.events, "the stream does not exist", _MIRROR)
            return
        head = max(
            audit.position, await head_position(audit.database)
        )  # after the mirror: it follows the log
        for finding in _extent(info, head):
            yield finding

    async def content(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        info = await _info(nats)
        if info is None or not info.state.messages:
            return
        found = 0
        async with aclosing(_content(nats, audit, info.state.last_seq, show)) as findings:
            async for finding in findings:
                yield finding
                found += 1
                if found >= _MOST:
                    return

    return [
        Check("the mirror has the whole log and keeps it", extent),
        Check("each message of the mirror is its event", content),
    ]


async def event_in_mirror(nats: Nats, position: int) -> RecordedEvent | None:
    """The event that the mirror has at a position; None if it has none there. Raises Unavailable."""
    message = await message_at(nats, nats.names.events, position)
    return None if message is None else _event_of(nats.names, message)


async def _info(nats: Nats) -> api.StreamInfo | None:
    """The stream EVENTS; None if there is none. Raises Unavailable and AnotherSystem."""
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(nats.names.events)
        except NotFoundError:
            return None
    nats.names.must_own(info)
    return info


def _extent(info: api.StreamInfo, head: int) -> list[Finding]:
    """What the state and the configuration of the stream tell."""
    state, config, name = info.state, info.config, info.config.name or ""
    found = []
    if state.last_seq > head:
        lost = "consumers have seen events that are not in the log"
        what = f"it ends at {state.last_seq}, the log at {head}: {lost}"
        found.append(Finding(Kind.MIRROR_BEYOND, f"{name} from {head + 1}", what, Repair(Mend.RESTORE)))
    if state.first_seq > 1 and state.last_seq:
        what = f"the mirror begins at {state.first_seq}: consumers cannot read the events before"
        found.append(Finding(Kind.MIRROR_GAP, f"{name} up to {state.first_seq - 1}", what, _MIRROR))
    limits = {
        "max_msgs": config.max_msgs,
        "max_bytes": config.max_bytes,
        "max_age": config.max_age,
        "max_msgs_per_subject": config.max_msgs_per_subject,
    }
    problems = [f"{limit} is {value:g}" for limit, value in limits.items() if value is not None and value > 0]
    if config.retention not in (None, api.RetentionPolicy.LIMITS):
        problems.append(f"retention is {config.retention}")
    if problems:
        what = f"{', '.join(problems)}: it drops events, and consumers miss them"
        found.append(Finding(Kind.MIRROR_LIMITED, name, what, Repair(Mend.MIRROR_LIMITS)))
    return found


async def _content(nats: Nats, audit: Audit, last: int, show: Show) -> AsyncGenerator[Finding, None]:
    """Passes over what is alike, and looks at what is behind that."""
    name, end = nats.names.events, min(last, audit.position)
    passed = seen = futile = 0
    while passed < end:
        alike = passed if futile == _FUTILE else await alike_up_to(nats, audit.database, passed, end, show)
        if alike > passed:
            if 0 < seen < passed:
                yield _gap(name, seen + 1, passed)
            seen, futile = alike, 0
        else:
            futile = min(futile + 1, _FUTILE)
        passed = end if futile == _FUTILE else min(alike + _LOOKED_AT, end)
        each = _OneByOne(nats, audit, seen)
        if alike < passed:
            async with aclosing(each.at(alike, passed, show)) as findings:
                async for finding in findings:
                    yield finding
        seen = each.seen
    if seen < end:
        yield _gap(name, seen + 1, end)


class _OneByOne:
    """Looks at each message for itself. seen: the sequence of the last one; 0: the mirror had none yet."""

    def __init__(self, nats: Nats, audit: Audit, seen: int) -> None:
        self._nats = nats
        self._audit = audit
        self.seen = seen

    async def at(self, after: int, up_to: int, show: Show) -> AsyncGenerator[Finding, None]:
        """What differs between these positions, and the gaps before a message there."""
        names, database = self._nats.names, self._audit.database
        async with (
            OrderedConsumer(self._nats, names.events, [], after) as consumer,
            aclosing(copied(database, selects_between(after, up_to), COLUMNS)) as log,
        ):
            mirror = _Messages(consumer, up_to)
            async for columns in log:
                page = ExpectedPage(names, columns)
                while messages := await mirror.up_to(page.up_to):
                    for gap in self._gaps(messages):
                        yield gap
                    if unlike := page.unlike(messages):
                        for finding in await _one_by_one(self._audit, names, unlike):
                            yield finding
                show(page.up_to, self._audit.position)
            while messages := await mirror.up_to(up_to):  # the last events may be missing
                for gap in self._gaps(messages):
                    yield gap

    def _gaps(self, messages: Sequence[InMessage]) -> Iterator[Finding]:
        found = _gaps(self._nats.names.events, self.seen, messages)
        self.seen = messages[-1].sequence
        return found


class _Messages:
    """The messages of the mirror, in order."""

    def __init__(self, consumer: OrderedConsumer, end: int) -> None:
        self._consumer = consumer
        self._end = end
        self._read: list[InMessage] = []
        self._position = 0

    async def up_to(self, position: int) -> list[InMessage]:
        """The next ones up to a position, about BATCH_BYTES at most. Empty if the next one is after it."""
        if not self._read and self._position < self._end and self._consumer.waiting:
            self._read = await self._consumer.next_batch(_MESSAGES, timeout_seconds=_WAIT_SECONDS)
            self._position = self._read[-1].sequence if self._read else self._end
        count = bisect_right(self._read, position, key=attrgetter("sequence"))
        taken, self._read = self._read[:count], self._read[count:]
        return taken


def _gaps(stream: str, position: int, messages: Sequence[InMessage]) -> Iterator[Finding]:
    """The gaps between these messages, and before them if there is a message before: at a position."""
    if position and messages[-1].sequence == position + len(messages):
        return
    for after, sequence in pairwise([position, *(one.sequence for one in messages)]):
        if sequence != after + 1 and after > 0:
            yield _gap(stream, after + 1, sequence - 1)


def _gap(stream: str, first: int, last: int) -> Finding:
    where = f"{stream} {first}" if first == last else f"{stream} {first} to {last}"
    return Finding(Kind.MIRROR_GAP, where, "the mirror has no such message", _MIRROR)


async def _one_by_one(audit: Audit, names: Names, messages: Sequence[InMessage]) -> list[Finding]:
    after, up_to = messages[0].sequence - 1, messages[-1].sequence
    events = {event.position: event for event in await read_log(audit.database, after, up_to, up_to - after)}
    pairs = [(events[one.sequence], _event_of(names, one)) for one in messages if one.sequence in events]
    different = [(event, in_mirror) for event, in_mirror in pairs if event != in_mirror]
    async with audit.database.connection() as connection:
        return [await _finding(audit.domain, connection, *pair) for pair in different[:_MOST]]


def _event_of(names: Names, message: InMessage) -> RecordedEvent | None:
    """The event of a message; None if it is no event, or that of another epoch."""
    if epoch_of(message) not in (None, names.identity.epochs.at(message.sequence)):
        return None
    try:
        return event_of(message)
    except ForeignMessage:
        return None


async def _finding(
    domain: Domain, connection: Connection, event: RecordedEvent, in_mirror: RecordedEvent | None
) -> Finding:
    """Which of the two is damaged. The outcome of the command is the witness; else the log is what counts."""
    where, shown = f"position {event.position}", _differences(event, in_mirror)
    if in_mirror is not None:
        ids = {event.command_id, in_mirror.command_id}
        outcomes = {one.command_id: one for one in (await known_outcomes(connection, list(ids))).values()}
        if fits(domain, in_mirror, outcomes) and not fits(domain, event, outcomes):
            repair = Repair(Mend.EVENT, str(event.position))
            return Finding(
                Kind.EVENT_DIFFERS, where, f"the mirror has what fits the outcome: {shown}", repair
            )
    return Finding(Kind.MIRROR_DIFFERS, where, shown, _MIRROR)


def _differences(event: RecordedEvent, in_mirror: RecordedEvent | None) -> str:
    if in_mirror is None:
        return "the message is no event, or that of another epoch"
    pairs = [(name, getattr(event, name), getattr(in_mirror, name)) for name in event.__struct_fields__]
    return "; ".join(
        f"{name} is {_shown(a)} in the log, {_shown(b)} in the message" for name, a, b in pairs if a != b
    )


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
