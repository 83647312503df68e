"""The two streams of a system: COMMANDS, the pending commands, and EVENTS, the mirror of the log.

Their names and subjects begin with the name of the system, and their metadata has its identity (names.py).
COMMANDS keeps a message until the processor purges it, after its outcome is in Postgres (see processor.py).
EVENTS has the event at log position p as message p, under <system>.events.<aggregate>.<type>.<stream>. Its
subjects, headers and payloads are a public contract: docs/contract.md.

A command is on disk before its receipt. EVENTS can be rebuilt from the log, so a single server writes it to
disk later. After a crash the relay publishes the lost events again, each at its position.
"""

from __future__ import annotations

import asyncio
import logging
from binascii import crc32
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from nats.js import api
from nats.js.errors import BadRequestError, NotFoundError

from commander.domain.errors import Unavailable
from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.names import Names, identity_in
from commander.streaming.nats.stream_settings import StreamFixed, must_suit, update

logger = logging.getLogger("commander.nats")

WATCH_SECONDS = 10.0
"""How often each part looks whose the streams are."""
LOST_SECONDS = 4.0
"""How long a stream must not exist before a part makes it again. An operator may be about to put it back."""
_OVERLAPS = 10065  # the subjects are those of another stream


def partition_of(stream: str, partitions: int) -> int:
    """The partition that decides this stream's commands.

    It is the same in every process and never changes.
    """
    return crc32(stream.encode()) % partitions


def event_subject(names: Names, event: RecordedEvent) -> str:
    """The subject of an event in EVENTS: <system>.events.<aggregate>.<type>.<stream>."""
    return subject_of_event(names, event.type, event.stream)


def subject_of_event(names: Names, type_: str, stream: str) -> str:
    """The subject of an event of this type and stream."""
    return f"{names.prefix}events.{stream.partition('-')[0]}.{type_}.{_token(stream)}"


def parse_event_subject(subject: str) -> tuple[str, str]:
    """(type, stream) of an event's subject."""
    _, type_, stream = subject.rsplit(".", 2)
    return type_, unquote(stream)


async def ensure_streams(nats: Nats, replicas: int) -> None:
    """Creates the missing streams, and sets what the others need.

    Raises AnotherSystem if a stream is not this system's, StreamFixed if it has a setting that is refused or
    cannot be changed, and Unavailable.
    """
    for config in _configs(nats.names, replicas):
        with reaching_nats():
            while not await _ensured(nats, config):
                logger.info("the stream %s was deleted in this moment", config.name)


async def _ensured(nats: Nats, config: api.StreamConfig) -> bool:
    """Returns False if somebody has deleted the stream meanwhile, as `commander restore` does."""
    try:
        found = await nats.jetstream.stream_info(config.name or "")
    except NotFoundError:
        await _create(nats, config)
    else:
        nats.names.must_own(found)
        with suppress(NotFoundError):  # `claimed` finds that too
            await update(nats, found.config, config)
    try:
        await claimed(nats, config.name or "")  # of two systems at once, the one that was second sees it
    except NotFoundError:
        return False
    return True


async def claimed(nats: Nats, stream: str) -> api.StreamInfo:
    """The state of a stream of this system. One without an identity that it may have gets this system's.

    Raises AnotherSystem, and NotFoundError and other errors of the client.
    """
    info = await nats.jetstream.stream_info(stream)
    nats.names.must_own(info)
    if identity_in(info.config.metadata) is None:
        metadata = {**(info.config.metadata or {}), **nats.names.metadata}
        await nats.jetstream.update_stream(replace(info.config, metadata=metadata))
        info = await nats.jetstream.stream_info(stream)
        nats.names.must_own(info)
    return info


async def watch_streams(nats: Nats, replicas: int) -> None:
    """Runs until cancelled, or until a stream is another system's: then it raises AnotherSystem.

    An operator can delete a stream while parts run, and another system can then make it. A stream that does
    not exist for some seconds, also because NATS has lost its disk, is made again.
    Raises StreamFixed, also when an operator gives a stream a setting that is refused.
    """
    loop = asyncio.get_running_loop()
    reconnected = asyncio.Event()
    forget = nats.on_reconnect(reconnected.set)
    missing_at: float | None = None
    try:
        while True:
            with suppress(Unavailable, NotFoundError):  # it can be deleted again in this moment
                try:
                    for stream in (nats.names.commands, nats.names.events):
                        async with nats.answering():
                            must_suit(nats.names, (await claimed(nats, stream)).config)
                    missing_at = None
                except NotFoundError:
                    missing_at = missing_at or loop.time()
                    if loop.time() - missing_at >= LOST_SECONDS:
                        logger.error("the stream %s is lost; another one is made in its place", stream)
                        await ensure_streams(nats, replicas)
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS if missing_at is None else LOST_SECONDS / 2):
                    await reconnected.wait()
            reconnected.clear()
    finally:
        forget()


class QueueDepth(NamedTuple):
    """The size of COMMANDS. created: when the stream that the sequences belong to was created."""

    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    created: datetime


async def queue_depth(nats: Nats) -> QueueDepth:
    """The size of COMMANDS. Raises Unavailable."""
    stream = nats.names.commands
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(stream)
        except NotFoundError as error:
            raise Unavailable("NATS", f"the stream {stream} does not exist") from error
    state = info.state
    assert info.created is not None, "the server always sends it"
    return QueueDepth(state.messages, state.bytes, state.first_seq, state.last_seq, info.created)


async def mirrored_position(nats: Nats) -> int:
    """The position of the last event in the mirror; 0 if there is none."""
    async with nats.answering():
        try:
            return int((await nats.jetstream.stream_info(nats.names.events)).state.last_seq)
        except NotFoundError:
            return 0


async def _create(nats: Nats, config: api.StreamConfig) -> None:
    try:
        made = await nats.jetstream.add_stream(config)
        if made.did_create:
            logger.info("created the stream %s", config.name)
    except BadRequestError as error:
        if error.err_code == _OVERLAPS:
            subjects = " or ".join(config.subjects or ())
            raise StreamFixed(
                f"another stream on this NATS has subjects like {subjects}: give this system another name "
                "with COMMANDER_SYSTEM, or that stream other subjects"
            ) from error
        await nats.jetstream.stream_info(config.name or "")  # another process was first


def _configs(names: Names, replicas: int) -> list[api.StreamConfig]:
    commands = f"{names.prefix}commands"
    return [
        api.StreamConfig(
            name=names.commands,
            description="commands waiting to be decided",
            subjects=[f"{commands}.*.*", f"{commands}.scheduled.*.*.*"],
            num_replicas=replicas,
            allow_atomic=True,
            allow_msg_schedules=True,
            allow_direct=True,
            metadata=names.metadata,
        ),
        api.StreamConfig(
            name=names.events,
            description="the log: message p is the event at position p",
            subjects=[f"{names.prefix}events.>"],
            num_replicas=replicas,
            allow_atomic=replicas > 1,
            persist_mode=api.PersistMode.ASYNC if replicas == 1 else None,
            allow_direct=True,
            deny_delete=True,
            metadata=names.metadata,
        ),
    ]


def _token(text: str) -> str:
    """The text as one token of a subject. quote() keeps dots, which separate tokens in NATS."""
    return quote(text, safe="!$&'()+,;=:@").replace(".", "%2E")
