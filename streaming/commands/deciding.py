"""From commands to decisions: the pure core of the processor.

This module does no I/O. It takes states and returns decisions and the states after them. A decision is final.
So where this code lacks the knowledge to decide, it raises CannotDecide, and the command stays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from commander.domain import (
    CommandContext,
    CommanderError,
    CommandType,
    Domain,
    EventType,
    HookFailed,
    InvalidDecision,
    Rejected,
)
from commander.domain.deciders import Source, StreamSource
from commander.domain.errors import HandlerStuck, HandlerTimedOut
from commander.domain.lookups import REACTION_REJECTED
from commander.domain.reactors import RecordedRejection
from commander.eventstore.records import Decision, NewEvent, Status, SubmittedCommand
from commander.streaming.commands.allowing import NotRefused, Refusal, refusal_by_rule
from commander.streaming.commands.basis import Basis
from commander.streaming.commands.models import value_of
from commander.streaming.commands.needs import Needs
from commander.streaming.commands.stream_states import StreamState, described, this_code

logger = logging.getLogger("commander.processor")

MAX_EVENT_BYTES = 768 * 1024
"""An event must fit into one NATS message (1 MiB by default), headers included."""
MAX_DEPTH = 100
"""The limit of reactions in a row, each soon after the last one. More count as a loop."""

_ALONE = Needs(())
_APPLIED = Status.APPLIED  # looked up once: in Python 3.11 the lookup takes as long as making a Decision


class CannotDecide(CommanderError):
    """This code lacks the knowledge to decide a command; other code may have it. The command stays."""

    def __init__(self, command: SubmittedCommand, reason: str) -> None:
        super().__init__(f"the command {command.type} {command.command_id}: {reason}")
        self.command = command


def decide(
    domain: Domain,
    command: SubmittedCommand,
    current: StreamState,
    now: datetime,
    basis: Basis | None = None,
) -> tuple[Decision, StreamState]:
    """The decision on a command in this state of its stream, and the state after it.

    basis: has the other states, and gets the new ones. None: the domain has no rules across streams.
    Raises CannotDecide, and nothing else.
    """
    digest = command.digest
    if command.depth > MAX_DEPTH:
        return _too_deep(command, digest, current)
    by_state = command.sender is not None and command.sender.by_state
    if not by_state and (command.rejected is not None or command.expected_version is not None):
        guarded = _guarded(command, current)
        if guarded is not None:
            return _refused(domain, command, digest, current, *guarded)
    type_ = domain.command_type(command.type)
    if type_ is None:
        raise CannotDecide(command, f"{this_code(domain)} has no such command")
    if (unreadable := _unreadable(command, (current,))) is not None:
        return _refused(domain, command, digest, current, *unreadable)
    needs = _ALONE if basis is None else basis.needs_of(command)
    try:
        instance = type_.decode(command.data) if needs.instance is None else needs.instance
    except BaseException as error:  # a __post_init__ may raise anything
        if command.code not in (None, domain.code.fingerprint):
            reason = f"{this_code(domain)} cannot read what the code {command.code} sent: {described(error)}"
            raise CannotDecide(command, reason) from error
        return _refused(domain, command, digest, current, Status.FAILED, "UNDECODABLE_COMMAND", str(error))
    if by_state:
        refused = _by_rule(domain, type_, command, instance, current) or _guarded(command, current)
        if refused is not None:
            return _refused(domain, command, digest, current, *refused)
    if needs.problem is not None:
        return _refused(domain, command, digest, current, Status.FAILED, *needs.problem)
    sources: Sequence[Source] = ()
    others: Sequence[StreamState] = ()
    if basis is not None and needs.sources:
        sources = basis.look_ups.resolved(needs)
        others = basis.states_of(sources)
        if (unreadable := _unreadable(command, others)) is not None:
            return _refused(domain, command, digest, current, *unreadable)
    try:
        if basis is None or not sources:
            return _applied(domain, type_, command, digest, instance, current, now, basis)
        return _applied_across(domain, type_, command, digest, instance, sources, others, now, basis)
    except Rejected as rejection:
        status, code, message = Status.REJECTED, rejection.code, rejection.message
    except InvalidDecision as error:
        logger.error("command %s: %s", command.command_id, error, exc_info=error)
        status, code, message = Status.FAILED, "INVALID_DECISION", str(error)
    except HookFailed as error:
        logger.exception("a hook raised on command %s", command.command_id)
        status, code, message = Status.FAILED, "HOOK_RAISED", str(error)
    except (HandlerTimedOut, HandlerStuck) as error:
        logger.exception("the decider of %s timed out on command %s", command.type, command.command_id)
        status, code, message = Status.FAILED, "DECIDER_TIMED_OUT", f"{command.type} {error}"
    except (
        BaseException
    ) as error:  # the domain's code may raise even SystemExit; it is this command's failure
        logger.exception("the decider of %s raised on command %s", command.type, command.command_id)
        status, code, message = Status.FAILED, "DECIDER_RAISED", described(error)
    return _refused(domain, command, digest, current, status, code, message, now)


def _unreadable(command: SubmittedCommand, states: Iterable[StreamState]) -> Refusal | None:
    """Why the command fails because of one of these states; None if it can be decided on them.

    Raises CannotDecide if other code may read the state.
    """
    for state in states:
        if state.unreadable is None:
            continue
        if state.unknown:
            raise CannotDecide(command, state.unreadable)
        return Refusal(Status.FAILED, "UNREADABLE_STREAM", state.unreadable)
    return None


def _guarded(command: SubmittedCommand, current: StreamState) -> Refusal | None:
    """Why a hook or the expected version of the command keeps it from being decided; None if neither does."""
    if command.rejected is not None:
        return Refusal(Status.REJECTED, *command.rejected)
    if command.expected_version is not None and command.expected_version != current.version:
        message = f"expected version {command.expected_version}, the stream is at {current.version}"
        return Refusal(Status.REJECTED, "VERSION_CONFLICT", message)
    return None


def _by_rule(
    domain: Domain, type_: CommandType, command: SubmittedCommand, instance: Any, current: StreamState
) -> Refusal | None:
    """Why the sender of the command may not send it in this state; None if it may. Raises CannotDecide."""
    assert command.sender is not None, "it is asked only for a command whose rule waits for the state"
    known = command.code in (None, domain.code.fingerprint)
    try:
        return refusal_by_rule(domain, type_, command.sender, instance, current.state, same_code=known)
    except NotRefused as error:
        raise CannotDecide(command, f"{this_code(domain)}: {error}") from error


def _too_deep(command: SubmittedCommand, digest: bytes, current: StreamState) -> tuple[Decision, StreamState]:
    """A failure without an event for its reactor, whose reaction would be even deeper."""
    message = f"{command.depth} reactions in a row led to it; {MAX_DEPTH} is the limit"
    decision = Decision(
        command, digest, Status.FAILED, current.version, code="CAUSATION_TOO_DEEP", message=message
    )
    return decision, current


def cancelled(command: SubmittedCommand, version: int) -> Decision:
    """The rejection of a deadline that its reactor has cancelled. The reactor gets no event.

    version: of the stream.
    """
    message = "the reactor has handled another event of this key, or ended"
    return Decision(
        command, command.digest, Status.REJECTED, version, code="DEADLINE_CANCELLED", message=message
    )


def crashed(domain: Domain, command: SubmittedCommand, version: int, attempts: int) -> Decision:
    """The failure of a command whose processor crashed in every attempt. version: of its stream."""
    digest = command.digest
    current = StreamState(None, version)
    message = f"its processor died in each of {attempts} attempts"
    return _refused(domain, command, digest, current, Status.FAILED, "CRASHED_PROCESSOR", message)[0]


def _applied(
    domain: Domain,
    type_: CommandType,
    command: SubmittedCommand,
    digest: bytes,
    instance: Any,
    current: StreamState,
    now: datetime,
    basis: Basis | None = None,
) -> tuple[Decision, StreamState]:
    aggregate = domain.aggregate_of_command(type_.name)
    state = aggregate.own(current.state)
    recorded, events = [], []
    deciding = partial(domain.decided, aggregate) if domain.decide_hooks.all else aggregate.decide
    for event in deciding(current.state, instance, lambda: _context(command, now)):
        stored, read_back = _stored(domain.event_of[type(event)], event)
        recorded.append(stored)
        events.append(read_back)
        state = aggregate.evolve(state, read_back)
    after = StreamState(state, current.version + len(recorded))
    if basis is not None:
        basis.accept({command.stream: after}, events)
    decision = Decision(command, digest, _APPLIED, after.version, tuple(recorded), decider_now=now)
    return decision, after


def _applied_across(
    domain: Domain,
    type_: CommandType,
    command: SubmittedCommand,
    digest: bytes,
    instance: Any,
    sources: Sequence[Source],
    states: Sequence[StreamState],
    now: datetime,
    basis: Basis,
) -> tuple[Decision, StreamState]:
    """The decision of a decider over several states.

    sources: what each of the states is folded from, in the decider's order. The first is the command's.
    """
    decider = domain.deciders[type_.name]
    after: dict[str, StreamState] = {}
    recorded, events = [], []
    for index, event in domain.decided_across(
        decider, sources, [one.state for one in states], instance, lambda: _context(command, now)
    ):
        source, aggregate = sources[index], decider.states[index].type
        assert isinstance(source, StreamSource), "a model gets no events"
        stream = source.stream
        before = after.get(stream)
        if before is None:
            before = StreamState(aggregate.own(states[index].state), states[index].version)
        version = before.version + 1
        elsewhere = None if stream == command.stream else (stream, version)
        stored, read_back = _stored(domain.event_of[type(event)], event, elsewhere)
        recorded.append(stored)
        events.append(read_back)
        after[stream] = StreamState(aggregate.evolve(before.state, read_back), version)
    basis.accept(after, events)
    own = after.get(command.stream, states[0])
    return Decision(command, digest, _APPLIED, own.version, tuple(recorded), decider_now=now), own


def _context(command: SubmittedCommand, now: datetime) -> CommandContext:
    return CommandContext(command.command_id, command.correlation_id, now, command.actor)


def _stored(type_: EventType, event: Any, elsewhere: tuple[str, int] | None = None) -> tuple[NewEvent, Any]:
    """The event as it is stored, and as it is read back. States are folded only from the latter.

    elsewhere: see NewEvent.
    """
    data, read_back = type_.read_back(event)
    if len(data) > MAX_EVENT_BYTES:
        raise InvalidDecision(f"{type_.name} has {len(data)} bytes; {MAX_EVENT_BYTES} is the limit")
    tags = tuple(value_of(type_.stored_name, tag) for tag in type_.tags_of(read_back)) if type_.tagged else ()
    return NewEvent(type_.stored_name, type_.version, data.decode(), elsewhere, tags), read_back


def _refused(
    domain: Domain,
    command: SubmittedCommand,
    digest: bytes,
    current: StreamState,
    status: Status,
    code: str,
    message: str,
    decider_now: datetime | None = None,
) -> tuple[Decision, StreamState]:
    code, message = without_nul(code), without_nul(message)
    rejection = refusal(domain, command, "FAILED" if status is Status.FAILED else code, message)
    decision = Decision(command, digest, status, current.version, (), rejection, code, message, decider_now)
    return decision, current


def refusal(domain: Domain, command: SubmittedCommand, code: str, message: str) -> NewEvent | None:
    """The event for the reactor that sent a rejected or failed command; None if no reactor sent it."""
    if command.reactor is None:
        return None
    data = domain.rejection.encode(RecordedRejection(command.reactor, command.type, code, message))
    return NewEvent(REACTION_REJECTED, domain.rejection.version, data.decode())


def without_nul(value: object) -> str:
    """Text of an author's code in a form that Postgres accepts:

    no NUL, no lone surrogates, limited length.
    """
    text = value if isinstance(value, str) else str(value)
    return text[:10_000].replace("\0", "�").encode("utf-8", "replace").decode()
