"""The two streams: COMMANDS, the pending commands, and EVENTS, the mirror of the log.

COMMANDS keeps a message until the processor purges it, after its outcome is in Postgres (see processor.py).
EVENTS has the event at log position p as message p, under events.<aggregate>.<type>.<stream>. Its subjects,
headers and payloads are a public contract: docs/contract.md.

A command is on disk before its receipt. EVENTS can be rebuilt from the log, so a single server writes it to
disk later. After a crash the relay publishes the lost events again, each at its position.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, unquote
from zlib import crc32

from nats.js import api
from nats.js.errors import BadRequestError, NotFoundError

from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.connection import Nats, reaching_nats

logger = logging.getLogger("commander.nats")


class StreamFixed(CommanderError):
    """A stream cannot be changed to match the settings. The message says what to do."""


COMMANDS = "COMMANDS"
EVENTS = "EVENTS"


def partition_of(stream: str, partitions: int) -> int:
    """The partition that decides this stream's commands.

    It is the same in every process and never changes.
    """
    return crc32(stream.encode()) % partitions


def event_subject(event: RecordedEvent) -> str:
    """The subject of an event in EVENTS: events.<aggregate>.<type>.<stream>."""
    return f"events.{event.aggregate}.{event.type}.{_token(event.stream)}"


def parse_event_subject(subject: str) -> tuple[str, str]:
    """(type, stream) of an event's subject."""
    _, _, type_, stream = subject.split(".", 3)
    return type_, unquote(stream)


async def ensure_streams(nats: Nats, replicas: int) -> None:
    """Creates the missing streams, and updates the configuration of the others.

    Raises StreamFixed if a stream cannot be changed, and Unavailable.
    """
    for config in _configs(replicas):
        with reaching_nats():
            try:
                found = await nats.jetstream.stream_info(config.name or "")
            except NotFoundError:
                await _create(nats, config)
            else:
                await nats.jetstream.update_stream(_kept(found.config, config))


def _kept(found: api.StreamConfig, wanted: api.StreamConfig) -> api.StreamConfig:
    """The wanted configuration with the persist mode of the existing stream, which cannot be changed."""
    if found.persist_mode != api.PersistMode.ASYNC:
        return replace(wanted, persist_mode=None, allow_atomic=True)
    if (wanted.num_replicas or 1) > 1:
        raise StreamFixed(
            f"the stream {wanted.name} was created for one replica and cannot have {wanted.num_replicas}. "
            "Delete it: it is rebuilt from the log"
        )
    return wanted


class QueueDepth(NamedTuple):
    """The size of COMMANDS. created: when the stream that the sequences belong to was created."""

    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    created: datetime


async def queue_depth(nats: Nats) -> QueueDepth:
    """The size of COMMANDS. Raises Unavailable."""
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(COMMANDS)
        except NotFoundError as error:
            raise Unavailable("NATS", f"the stream {COMMANDS} does not exist") from error
    state = info.state
    assert info.created is not None, "the server always sends it"
    return QueueDepth(state.messages, state.bytes, state.first_seq, state.last_seq, info.created)


async def mirrored_position(nats: Nats) -> int:
    """The position of the last event in the mirror; 0 if there is none."""
    async with nats.answering():
        try:
            return int((await nats.jetstream.stream_info(EVENTS)).state.last_seq)
        except NotFoundError:
            return 0


async def _create(nats: Nats, config: api.StreamConfig) -> None:
    try:
        made = await nats.jetstream.add_stream(config)
        if made.did_create:
            logger.info("created the stream %s", config.name)
    except BadRequestError:
        await nats.jetstream.stream_info(config.name or "")  # another process was first


def _configs(replicas: int) -> list[api.StreamConfig]:
    return [
        api.StreamConfig(
            name=COMMANDS,
            description="commands waiting to be decided",
            subjects=["commands.*.*", "commands.scheduled.*.*.*"],
            num_replicas=replicas,
            allow_atomic=True,
            allow_msg_schedules=True,
            allow_direct=True,
        ),
        api.StreamConfig(
            name=EVENTS,
            description="the log: message p is the event at position p",
            subjects=["events.>"],
            num_replicas=replicas,
            allow_atomic=replicas > 1,
            persist_mode=api.PersistMode.ASYNC if replicas == 1 else None,
            allow_direct=True,
            deny_delete=True,
        ),
    ]


def _token(text: str) -> str:
    """The text as one token of a subject. quote() keeps dots, which separate tokens in NATS."""
    return quote(text, safe="!$&'()+,;=:@").replace(".", "%2E")
