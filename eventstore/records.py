"""The structures that other packages exchange with this one. They are small and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from commander.domain.digests import stored_digest
from commander.domain.senders import Sender


class RecordedEvent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event in the log. The fields are in the order of the columns read.

    position: its place in the log, from 1, without gaps.
    version: its place in its stream, from 1, without gaps.
    data: the JSON of the event, as it was encoded when it was decided.
    causation_position: the event that a reactor reacted to with the command of this event.
    traceparent: the W3C trace context of the decision; None without tracing.
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


class Guards(msgspec.Struct, frozen=True, omit_defaults=True):
    """What keeps a command from being applied, beside its content. The fields are as in SubmittedCommand.

    They are stored if the command failed, for its retry; the sender is always stored.
    """

    expected_version: int | None = None
    rejected: tuple[str, str] | None = None
    sender: Sender | None = None

    def encode(self) -> str:
        """The JSON that is stored."""
        return _guards_encoder.encode(self).decode()


_guards_encoder = msgspec.json.Encoder()
_guards_decoder = msgspec.json.Decoder(Guards)


class SubmittedCommand(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A submitted command: the payload of a message of the COMMANDS stream.

    data: the JSON of the command.
    expected_version: the command is decided only if its stream has this version (0: no events).
    reactor: the reactor that sent it, in reaction to the event at causation_position.
    reply: the NATS subject on which the outcome is published.
    traceparent: the W3C trace context of the submission; None without tracing.
    not_before: the command is not decided earlier. depth: how many reactions in a row led to it.
    sent_digest: the digest of the command as it was sent. In messages of earlier versions it can be missing.
    rejected: code and message of the hook that rejected it. It is submitted only for its outcome.
    code: the fingerprint of the domain's code that made it; None for the retry of a dead letter.
    deadline: of a reactor's Deadline, the key of its state and the partition of the key.
    fresh: when it was submitted, no command had ended under its id. Only a hint: one may have since.
    sender: the viewer who sent it. None: authentication is off, or the system itself sends it, so no rule
    holds.
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
    code: str | None = None
    deadline: tuple[str, int] | None = None
    fresh: bool = False
    sender: Sender | None = None

    @property
    def digest(self) -> bytes:
        """The digest of the command as it was sent, before hooks. It detects an id that is used twice."""
        return self.sent_digest or stored_digest(self.type, self.data)


class Status(StrEnum):
    """The status of an outcome. Every stored command has exactly one outcome."""

    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a decision, before the log gives it a position.

    elsewhere: its stream and its version there, if it is not in the stream of the command.
    tags: what an index of the log has of it.
    """

    type: str
    schema_version: int
    data: str
    elsewhere: tuple[str, int] | None = None
    tags: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The decision on one command. version: the version of its stream after it.

    rejection: an event for the reactor that sent the command. It is stored in a stream of its own.
    decider_now: the `now` of the decider's context; None if no decider ran.
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
    """The last message of the COMMANDS stream that some partitions have decided.

    stream_created: when the stream that the sequence belongs to was created; None before the first command.
    """

    partitions: tuple[int, ...]
    sequence: int
    stream_created: datetime | None

    def in_stream(self, created: datetime | None) -> int:
        """The sequence, if it belongs to the stream created at this time; else 0."""
        return self.sequence if self.stream_created == created else 0


class Outcome(NamedTuple):
    """The stored outcome of a command. The fields are in the order of the columns read.

    position: the position of its last event; without events, the head of the log when it was decided.
    Its events have the positions from position - event_count + 1 to position.
    version: the version of its stream after it.
    number: its place among all outcomes, from 1, without gaps.
    decided_at: the clock of Postgres when the outcome was stored.
    decider_now: the `now` of the decider's context, to the microsecond; None if no decider ran, and for
    outcomes older than this field.
    guards: what the command was guarded by, as JSON, see Guards; None if by nothing, and for older outcomes.
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
    guards: str | None = None

    def read_guards(self) -> Guards:
        """What the command was guarded by."""
        return Guards() if self.guards is None else _guards_decoder.decode(self.guards)


@dataclass(frozen=True)
class EventFilter:
    """A filter on events. An event must match every part; a part that is None matches any event."""

    types: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    aggregates: frozenset[str] | None = None
    correlation_id: UUID | None = None
    command_id: UUID | None = None

    def matches(self, event: RecordedEvent) -> bool:
        """Whether an event matches every part."""
        return (
            (self.types is None or event.type in self.types)
            and (self.streams is None or event.stream in self.streams)
            and (self.aggregates is None or event.aggregate in self.aggregates)
            and (self.correlation_id is None or event.correlation_id == self.correlation_id)
            and (self.command_id is None or event.command_id == self.command_id)
        )
