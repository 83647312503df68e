"""Assembles a SubmittedCommand from a command of the domain. No other module makes one.

An envelope has all fields except the content. Each origin has its own envelope: a client, a reactor, a
recurring command, and the retry of a dead letter. Except for clients, the command id is derived from the
cause (an event, a tick, a dead letter). So a repeat gives the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from secrets import randbits
from typing import Any
from uuid import UUID, uuid5

import msgspec

from commander.domain import CommandType, Domain, InvalidCommand, Origin, Problem, Rejected, SubmitContext
from commander.domain.new_ids import ids_of_hooks
from commander.domain.senders import Sender
from commander.eventstore.log.causation import APART
from commander.eventstore.records import Outcome, RecordedEvent, SubmittedCommand
from commander.streaming.commands.deciding import without_nul
from commander.streaming.nats.clock import Clock

MAX_COMMAND_BYTES = 900 * 1024
"""The limit of a command's JSON. With its envelope it must fit into one NATS message (1 MiB by default)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REACTIONS = UUID("6e5a4c9e-0d0e-5d4b-9a43-b0a3e8a3f5d1")
_TICKS = UUID("0c1f1f4e-6a35-5c0b-8a57-2b8f7c8f5d1e")


def client_command_id(now: datetime) -> UUID:
    """An id for a command whose client gives none: a UUID of version 7 (RFC 9562). It begins with the time.

    now: by the clock of NATS, so that the command is found among those that were stored at about that time.

    Such ids are neighbours in the index of the outcomes, so storing one touches fewer pages than a random id.
    """
    milliseconds, microseconds = divmod((now - _EPOCH) // timedelta(microseconds=1), 1000)
    fraction = microseconds * 4096 // 1000
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | randbits(62))


def reaction_id(reactor: str, position: int, index: int) -> UUID:
    """The id of a reaction's command. A repeated reaction gives the same id."""
    return uuid5(_REACTIONS, f"{reactor}:{position}:{index}")


def tick_id(name: str, tick: datetime, index: int) -> UUID:
    """The id of a tick's command. Every process derives the same id."""
    return uuid5(_TICKS, f"{name}:{tick.isoformat()}:{index}")


def every(name: str) -> str:
    """The actor of a recurring command."""
    return f"every {name}"


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The fields of a SubmittedCommand except its content; see there.

    origin: None for a retry: the hooks ran for its content when it was first sent. hook_now: the `now` of the
    hooks' context.
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
    fresh: bool = False
    sender: Sender | None = None

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
        fresh: bool = False,
        sender: Sender | None = None,
    ) -> Envelope:
        """The envelope of a client's command. A not_before in the past is ignored.

        fresh: no command has ended under its id, because the id was made just now or Postgres was asked.
        sender: see SubmittedCommand.
        """
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
            fresh=fresh,
            sender=sender,
        )

    @classmethod
    def of_reaction(
        cls,
        reactor: str,
        event: RecordedEvent,
        index: int,
        depth: int,
        clock: Clock,
        *,
        traceparent: str | None,
        after: timedelta | None,
    ) -> Envelope:
        """The envelope of the command with this index in a reaction. depth: the event's. after: its delay."""
        return cls(
            Origin.REACTOR,
            reaction_id(reactor, event.position, index),
            event.correlation_id,
            clock.now(),
            event.recorded_at,
            causation_position=event.position,
            reactor=reactor,
            traceparent=traceparent,
            not_before=None if after is None else clock.recorded(event.recorded_at) + after,
            depth=0 if after is not None and after >= APART else depth + 1,
        )

    @classmethod
    def of_tick(cls, name: str, tick: datetime, index: int, now: datetime) -> Envelope:
        """The envelope of the command with this index at a tick."""
        command_id = tick_id(name, tick, index)
        return cls(Origin.RECURRING, command_id, command_id, now, tick, actor=every(name), not_before=tick)

    @classmethod
    def of_retry(cls, failed: Outcome, now: datetime, reply: str | None, traceparent: str | None) -> Envelope:
        """The envelope of a dead letter's retry. Its id is derived from the dead letter's.

        It is the same request: what the failed command was guarded by, who sent it and what caused it stay.
        So the rule of its type holds for its sender, not for whoever retries.
        Trace and reply are of whoever retries. Its time has come: a command fails when it is due. The count
        of reactions in a row starts again, because a retry is no reaction.
        """
        guards = failed.read_guards()
        return cls(
            None,
            uuid5(failed.command_id, "retry"),
            failed.correlation_id,
            now,
            now,
            expected_version=guards.expected_version,
            causation_position=failed.causation_position,
            reactor=failed.reactor,
            actor=failed.actor,
            reply=reply,
            traceparent=traceparent,
            sender=guards.sender,
        )


def assembled(
    domain: Domain,
    command: object,
    envelope: Envelope,
    max_bytes: int = MAX_COMMAND_BYTES,
    given: Mapping[str, Any] | None = None,
) -> SubmittedCommand:
    """Checks the command, runs the hooks, and returns it ready to be submitted.

    given: the client's input that the command was made from; None if code made it.
    If a hook rejects it, `rejected` is set. Raises InvalidCommand, HookFailed, and TypeError if it is not a
    command of the domain.
    """
    type_ = domain.type_of(command)
    if not isinstance(type_, CommandType):
        raise TypeError(f"{type_.name} is an event; only commands are submitted")
    type_.check(command)
    stream = domain.stream_of(command)
    data = _encoded(type_, command, max_bytes)
    digest, code = type_.digest(command, given), domain.code.fingerprint
    if not domain.submit_hooks.all:
        return _sealed(envelope, type_.stored_name, stream, data, digest, code)
    assert envelope.origin is not None, "a retry is not assembled, its content is stored"
    context = SubmitContext(
        envelope.command_id,
        envelope.correlation_id,
        stream,
        envelope.origin,
        envelope.hook_now,
        envelope.actor,
    )
    try:
        with ids_of_hooks(envelope.command_id):
            prepared = _encoded(type_, domain.prepared(type_, command, context), max_bytes)
    except Rejected as rejection:
        refused = without_nul(rejection.code), without_nul(rejection.message)
        return _sealed(
            envelope, type_.stored_name, stream, data, digest, domain.code.fingerprint, rejected=refused
        )
    return _sealed(envelope, type_.stored_name, stream, prepared, digest, domain.code.fingerprint)


def retried(
    failed: Outcome, now: datetime, reply: str | None, traceparent: str | None = None
) -> SubmittedCommand:
    """The retry of a dead letter, with the same content, ready to be submitted. See Envelope.of_retry."""
    envelope = Envelope.of_retry(failed, now, reply, traceparent)
    data, rejected = failed.data.encode(), failed.read_guards().rejected
    return _sealed(envelope, failed.type, failed.stream, data, failed.digest, None, rejected=rejected)


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
    digest: bytes,
    code: str | None,
    *,
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
        digest,
        rejected,
        code,
        fresh=envelope.fresh,
        sender=envelope.sender,
    )
