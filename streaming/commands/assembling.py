"""From a command of the domain to one that can be submitted: the one place that makes a SubmittedCommand.

An envelope is what surrounds the content. Each origin has its own: a client, a reactor, a recurring command,
and the retry of a dead letter. The ids of all but clients' follow from what they answer, so whoever repeats
one makes the same id.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from commander.domain import CommandType, Domain, InvalidCommand, Origin, Problem, Rejected, SubmitContext
from commander.domain.messages import content_digest
from commander.eventstore.log.causation import APART
from commander.eventstore.records import Outcome, RecordedEvent, SubmittedCommand
from commander.streaming.commands.deciding import without_nul

MAX_COMMAND_BYTES = 900 * 1024
"""A command must fit into one NATS message (1 MiB by default), with its envelope."""

_REACTIONS = UUID("6e5a4c9e-0d0e-5d4b-9a43-b0a3e8a3f5d1")
_TICKS = UUID("0c1f1f4e-6a35-5c0b-8a57-2b8f7c8f5d1e")


def reaction_id(reactor: str, position: int, index: int) -> UUID:
    """The id of a reaction's command: the same whenever the reaction is repeated."""
    return uuid5(_REACTIONS, f"{reactor}:{position}:{index}")


def tick_id(name: str, tick: datetime, index: int) -> UUID:
    """The id of a tick's command: the same whoever submits it."""
    return uuid5(_TICKS, f"{name}:{tick.isoformat()}:{index}")


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What a command carries beside its content; see SubmittedCommand.

    origin: None for a retry, whose content passed the hooks when it was first sent. hook_now: the time that
    hooks are given.
    """

    origin: Origin | None
    command_id: UUID
    correlation_id: UUID
    submitted_at: datetime
    hook_now: datetime
    expected_version: int | None = None
    causation_position: int | None = None
    reactor: str | None = None
    actor: str | None = None
    reply: str | None = None
    traceparent: str | None = None
    not_before: datetime | None = None
    depth: int = 0

    @classmethod
    def of_client(
        cls,
        command_id: UUID,
        now: datetime,
        *,
        correlation_id: UUID | None,
        expected_version: int | None,
        actor: str | None,
        reply: str,
        traceparent: str | None,
        not_before: datetime | None,
    ) -> Envelope:
        """Of a request. A time that has passed is none."""
        return cls(
            Origin.CLIENT,
            command_id,
            correlation_id or command_id,
            now,
            now,
            expected_version=expected_version,
            actor=actor,
            reply=reply,
            traceparent=traceparent,
            not_before=not_before if not_before and not_before > now else None,
        )

    @classmethod
    def of_reaction(
        cls,
        reactor: str,
        event: RecordedEvent,
        index: int,
        depth: int,
        now: datetime,
        *,
        traceparent: str | None,
        after: timedelta | None,
    ) -> Envelope:
        """Of the answer with this index to an event. depth: the event's. after: how long it waits."""
        return cls(
            Origin.REACTOR,
            reaction_id(reactor, event.position, index),
            event.correlation_id,
            now,
            event.recorded_at,
            causation_position=event.position,
            reactor=reactor,
            traceparent=traceparent,
            not_before=None if after is None else event.recorded_at + after,
            depth=0 if after is not None and after >= APART else depth + 1,
        )

    @classmethod
    def of_tick(cls, name: str, tick: datetime, index: int, now: datetime) -> Envelope:
        """Of the command with this index that recurs at a tick."""
        command_id = tick_id(name, tick, index)
        return cls(
            Origin.RECURRING, command_id, command_id, now, tick, actor=f"every {name}", not_before=tick
        )

    @classmethod
    def of_retry(cls, failed: Outcome, now: datetime, reply: str | None) -> Envelope:
        """Of a dead letter that is submitted again, under an id that follows from its own."""
        return cls(
            None,
            uuid5(failed.command_id, "retry"),
            failed.correlation_id,
            now,
            now,
            causation_position=failed.causation_position,
            reactor=failed.reactor,
            actor=failed.actor,
            reply=reply,
        )


def assembled(
    domain: Domain, command: object, envelope: Envelope, max_bytes: int = MAX_COMMAND_BYTES
) -> SubmittedCommand:
    """The command, checked and through the hooks, ready to be submitted.

    A hook's rejection is kept in `rejected`. Raises InvalidCommand, HookFailed, and TypeError for what is no
    command of the domain.
    """
    type_ = domain.type_of(command)
    if not isinstance(type_, CommandType):
        raise TypeError(f"{type_.name} is an event; only commands are submitted")
    type_.check(command)
    stream = domain.aggregate_of_command(type_.name).stream_of(command)
    data = _encoded(type_, command, max_bytes)
    if not domain.submit_hooks.all:
        return _sealed(envelope, type_.name, stream, data)
    assert envelope.origin is not None, "a retry has its content already"
    context = SubmitContext(
        envelope.command_id,
        envelope.correlation_id,
        stream,
        envelope.origin,
        envelope.hook_now,
        envelope.actor,
    )
    try:
        prepared = _encoded(type_, domain.prepared(type_, command, context), max_bytes)
    except Rejected as rejection:
        refused = without_nul(rejection.code), without_nul(rejection.message)
        return _sealed(envelope, type_.name, stream, data, rejected=refused)
    digest = None if prepared == data else content_digest(type_.name, data)
    return _sealed(envelope, type_.name, stream, prepared, sent_digest=digest)


def retried(failed: Outcome, now: datetime, reply: str | None) -> SubmittedCommand:
    """A dead letter, with the content it had, ready to be submitted again."""
    return _sealed(Envelope.of_retry(failed, now, reply), failed.type, failed.stream, failed.data.encode())


def _encoded(type_: CommandType, command: object, max_bytes: int) -> bytes:
    data = type_.encode(command)
    if len(data) > max_bytes:
        raise InvalidCommand((Problem((), f"the command has {len(data)} bytes; {max_bytes} is the limit"),))
    return data


def _sealed(
    envelope: Envelope,
    type_name: str,
    stream: str,
    data: bytes,
    *,
    sent_digest: bytes | None = None,
    rejected: tuple[str, str] | None = None,
) -> SubmittedCommand:
    return SubmittedCommand(
        envelope.command_id,
        type_name,
        stream,
        msgspec.Raw(data),
        envelope.correlation_id,
        envelope.submitted_at,
        envelope.expected_version,
        envelope.causation_position,
        envelope.reactor,
        envelope.actor,
        envelope.reply,
        envelope.traceparent,
        envelope.not_before,
        envelope.depth,
        sent_digest,
        rejected,
    )
