"""What crosses this folder's door: small frozen structures, no dicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from commander.domain.messages import content_digest


class RecordedEvent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event as it stands in the log; the fields are in the order of the columns read.

    position: its place in the whole log, from 1, dense. version: its place in its stream, from 1, dense.
    data: the JSON of the event, as encoded when it was decided.
    causation_position: the event whose reaction sent the command that made this one.
    traceparent: the W3C trace context it was decided in, if anybody traces.
    """

    position: int
    stream: str
    version: int
    type: str
    schema_version: int
    data: str
    command_id: UUID
    correlation_id: UUID
    causation_position: int | None
    recorded_at: datetime
    traceparent: str | None = None

    @property
    def aggregate(self) -> str:
        return self.stream.partition("-")[0]


class SubmittedCommand(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A command on its way to the processor: the payload of a message of the COMMANDS stream.

    data: the JSON of the command. expected_version: decide only if the stream stands there (0: no events).
    reactor: the reactor that sent it, reacting to the event at causation_position.
    reply: the NATS subject on which the outcome is announced.
    traceparent: the W3C trace context of what submitted it, if anybody traces.
    not_before: it is not decided earlier. depth: how many reactions in a row led to it.
    sent_digest: the digest of what was sent, where a hook changed it. rejected: code and message of the hook
    that rejected it: it is submitted for its outcome alone.
    """

    command_id: UUID
    type: str
    stream: str
    data: msgspec.Raw
    correlation_id: UUID
    submitted_at: datetime
    expected_version: int | None = None
    causation_position: int | None = None
    reactor: str | None = None
    actor: str | None = None
    reply: str | None = None
    traceparent: str | None = None
    not_before: datetime | None = None
    depth: int = 0
    sent_digest: bytes | None = None
    rejected: tuple[str, str] | None = None

    @property
    def digest(self) -> bytes:
        """Tells two contents sent under one id apart: of what was sent, whatever a hook made of it."""
        return self.sent_digest or content_digest(self.type, self.data)


class Status(StrEnum):
    """How a command ended. Every stored command ends exactly once."""

    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event decided on, before the log gives it a position."""

    type: str
    schema_version: int
    data: str


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What became of one command. version: its stream's version after it.

    rejection: an event recorded in a stream of its own, so that the reactor that sent the command hears.
    decider_now: the `now` of the decider's context; None where no decider ran.
    """

    command: SubmittedCommand
    digest: bytes
    status: Status
    version: int
    events: tuple[NewEvent, ...] = ()
    rejection: NewEvent | None = None
    code: str | None = None
    message: str | None = None
    decider_now: datetime | None = None


class Progress(NamedTuple):
    """How far some partitions of the COMMANDS stream are decided.

    stream_created: which incarnation of the stream the sequence counts in; None before the first command.
    """

    partitions: tuple[int, ...]
    sequence: int
    stream_created: datetime | None

    def in_stream(self, created: datetime | None) -> int:
        """The sequence in this incarnation of the stream: 0 where it counts in another."""
        return self.sequence if self.stream_created == created else 0


class Outcome(NamedTuple):
    """The stored end of a command; the fields are in the order of the columns read.

    position: that of its last event; of the head when it was decided, where it made none.
    Its events stand at position - event_count + 1 to position. version: its stream's version after it.
    number: its place among all commands that have ended, from 1, dense.
    decided_at: the clock of Postgres when the outcome was stored. decider_now: the `now` of the decider's
    context, to the microsecond; None where no decider ran, and for outcomes older than this field.
    """

    command_id: UUID
    type: str
    stream: str
    data: str
    digest: bytes
    status: str
    code: str | None
    message: str | None
    position: int
    event_count: int
    version: int
    correlation_id: UUID
    causation_position: int | None
    reactor: str | None
    actor: str | None
    submitted_at: datetime
    decided_at: datetime
    number: int
    decider_now: datetime | None = None


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted: those that match every part given; None is any."""

    types: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    aggregates: frozenset[str] | None = None
    correlation_id: UUID | None = None
    command_id: UUID | None = None

    def matches(self, event: RecordedEvent) -> bool:
        return (
            (self.types is None or event.type in self.types)
            and (self.streams is None or event.stream in self.streams)
            and (self.aggregates is None or event.aggregate in self.aggregates)
            and (self.correlation_id is None or event.correlation_id == self.correlation_id)
            and (self.command_id is None or event.command_id == self.command_id)
        )
