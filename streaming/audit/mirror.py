"""EVENTS: it has every event of the log at its position, nothing else, and keeps all of them.

A range is compared by one digest: Postgres makes it from the events, this module from the messages as they
came, without the headers that the publishing added. Only a range whose digests differ is decoded and compared
event by event. So another spelling of a header is no difference: what a message means is what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from hashlib import md5
from itertools import pairwise
from urllib.parse import unquote_to_bytes

from nats.js import api
from nats.js.errors import NotFoundError

from commander.domain import Domain
from commander.eventstore.audit.comparing import mirror_digest
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import reading
from commander.eventstore.audit.restoring import fits
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.log.event_codec import ForeignMessage, epoch_of, event_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import message_at
from commander.streaming.nats.names import Names
from commander.streaming.nats.ordered_consumer import InMessage, OrderedConsumer

_MESSAGES = 2_000
_BYTES = 8 * 1024 * 1024
_WAIT_SECONDS = 10.0
_MOST = 100
_MIRROR = Repair(Mend.MIRROR)
_NO_EPOCH = b"NATS/1.0\r\n"
"""How the headers of a message of an earlier version begin, which has no epoch."""


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
        async for finding in _content(nats, audit, info.state.last_seq, show):
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


async def _content(nats: Nats, audit: Audit, last: int, show: Show) -> AsyncIterator[Finding]:
    name, end = nats.names.events, min(last, audit.position)
    comparing: asyncio.Task[list[Finding]] | None = None
    position = 0
    async with OrderedConsumer(nats, name, [], 0) as mirror:
        try:
            while position < end:
                messages = await _next(mirror, position, end)
                before, position = position, messages[-1].sequence if messages else end
                if position - before != len(messages):
                    for after, message in pairwise([before, *(one.sequence for one in messages)]):
                        if message != after + 1 and after > 0:
                            yield _gap(name, after + 1, message - 1)
                if not messages:
                    yield _gap(name, before + 1, end)
                if comparing is not None:
                    for finding in await comparing:
                        yield finding
                kept = [message for message in messages if message.sequence <= end]
                comparing = asyncio.create_task(_compared(audit, nats, kept))
                show(min(position, end), end)
            if comparing is not None:
                for finding in await comparing:
                    yield finding
        finally:
            if comparing is not None:
                comparing.cancel()


async def _next(mirror: OrderedConsumer, position: int, end: int) -> list[InMessage]:
    """The next messages, as many as are worth a statement. Empty if there are no more."""
    found: list[InMessage] = []
    size = 0
    while mirror.waiting and position < end and len(found) < _MESSAGES and size < _BYTES:
        batch = await mirror.next_batch(_MESSAGES, timeout_seconds=_WAIT_SECONDS)
        if not batch:
            break
        found += batch
        size += sum(len(message.data) for message in batch)
        position = batch[-1].sequence
    return found


def _gap(stream: str, first: int, last: int) -> Finding:
    where = f"{stream} {first}" if first == last else f"{stream} {first} to {last}"
    return Finding(Kind.MIRROR_GAP, where, "the mirror has no such message", _MIRROR)


async def _compared(audit: Audit, nats: Nats, messages: Sequence[InMessage]) -> list[Finding]:
    if not messages:
        return []
    after, up_to = messages[0].sequence - 1, messages[-1].sequence
    async with reading(audit.database) as connection:
        seen, digest = await mirror_digest(connection, after, up_to)
    if (seen, digest) == (len(messages), _digest_of(nats.names, messages)):
        return []
    return await _one_by_one(audit, nats.names, messages)


def _digest_of(names: Names, messages: Sequence[InMessage]) -> str:
    """The digest of messages, as audit_mirror.sql makes it of their events."""
    prefix = len(f"{names.prefix}events.")
    epochs = {names.identity.epochs.at(messages[n].sequence) for n in (0, -1)}
    epoch = f"NATS/1.0\r\nCommander-Epoch: {max(epochs)}\r\n".encode() if len(epochs) == 1 else _NO_EPOCH
    parts: list[bytes] = []
    for message in messages:
        text, headers = message.subject[prefix:].encode(), message.raw_headers
        begin = len(epoch if headers.startswith(epoch) else _NO_EPOCH) - 2
        end = headers.find(b"\r\nNats-")
        parts += (
            unquote_to_bytes(text) if b"%" in text else text,
            headers[begin : end if end > 0 else -4],
            b"\r\n",
            message.data,
        )
    return md5(b"".join(parts), usedforsecurity=False).hexdigest()


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
