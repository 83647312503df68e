"""Submitting a command: check it, look up an earlier outcome, submit it, wait as the client asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from commander.domain import InvalidCommand, Rights
from commander.domain.errors import InvalidRequest
from commander.eventstore.records import Status, SubmittedCommand
from commander.resolvers.allowing import allowed
from commander.resolvers.dry_run import dry_run
from commander.resolvers.read_your_writes import late
from commander.resolvers.repeating import Request, is_repeated
from commander.resolvers.results import (
    AcceptedResult,
    ConflictResult,
    ForbiddenResult,
    InvalidResult,
    PendingResult,
    RejectedResult,
    Result,
    Stage,
    dry_result_of,
    result_of,
)
from commander.resolvers.services import Services
from commander.resolvers.settling import settled
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.commands.outcomes import Ended
from commander.streaming.commands.pending_by_id import pending_alone


class Wait(Enum):
    """How long a mutation waits."""

    ACCEPTED = "ACCEPTED"
    """Until the command is stored."""
    APPLIED = "APPLIED"
    """Until the command is decided."""
    PROJECTED = "PROJECTED"
    """Until the command is decided and the projections show its events."""
    SETTLED = "SETTLED"
    """Until all that it has set going has ended too, through all reactions, and the projections show it."""


class Options(msgspec.Struct, frozen=True):
    """How a command is submitted.

    projections: the names of those that PROJECTED waits for, if they show the events; None: all.
    given_id: whether the client chose the id. expected_version: the version that the stream must have.
    validate_only: decide on the current state and store nothing. not_before: the time to decide the command
    at. A time in the past means now. For a time in the future, `submit` returns once the command is stored.
    given: the input of the API that the command was made from; None if code made it.
    rows: the names of the projections whose rows the client reads from the result: it is waited for them too.
    rights: those of the sender; None: authentication is off.
    """

    command_id: UUID
    given_id: bool
    correlation_id: UUID | None = None
    wait: Wait = Wait.APPLIED
    timeout_ms: int = 5000
    expected_version: int | None = None
    actor: str | None = None
    traceparent: str | None = None
    validate_only: bool = False
    not_before: datetime | None = None
    given: Mapping[str, Any] | None = None
    projections: frozenset[str] | None = None
    rows: frozenset[str] = frozenset()
    rights: Rights | None = None

    @property
    def shown_by(self) -> frozenset[str] | None:
        """The projections that must show the events before the result is returned. None: all."""
        if self.wait not in (Wait.PROJECTED, Wait.SETTLED):
            return self.rows
        return None if self.projections is None else self.projections | self.rows


async def submit(services: Services, command: Any, options: Options) -> Result:
    """Submits a command and waits for the stage that the options name.

    Raises Unavailable at once while NATS is down or full. Raises it too while Postgres is down, unless `wait`
    is ACCEPTED and the client chose no id, and while Postgres takes no writes, unless `wait` is ACCEPTED.
    Such an outage also ends a wait that has begun. The command is then stored, and will be decided.
    Raises RuleFailed if the rule of the command raises.
    """
    request = _assembled(services, command, options)
    if isinstance(request, InvalidResult | ForbiddenResult):
        return request
    earlier = await _earlier(services, request, options) if options.given_id else None
    return await _answered(services, request, earlier, options)


def _assembled(
    services: Services, command: Any, options: Options
) -> Request | InvalidResult | ForbiddenResult:
    _check_options(services, options)
    sender = None
    if options.rights is not None:
        try:
            sender = allowed(services.domain, options.rights, command)
        except InvalidCommand as invalid:
            return InvalidResult(options.command_id, invalid.problems)
        if sender is None:
            return ForbiddenResult(options.command_id)
    envelope = Envelope.of_client(
        options.command_id,
        services.now(),
        correlation_id=options.correlation_id,
        expected_version=options.expected_version,
        actor=options.actor,
        reply=services.outcomes.reply,
        traceparent=options.traceparent,
        not_before=options.not_before,
        fresh=options.not_before is None,  # for a given id, Postgres is asked before it is submitted
        sender=sender,
    )
    try:
        made = assembled(services.domain, command, envelope, services.limits.max_command_bytes, options.given)
    except InvalidCommand as invalid:
        return InvalidResult(options.command_id, invalid.problems)
    return Request(command, made)


async def _earlier(
    services: Services, request: Request, options: Options
) -> Ended | ConflictResult | AcceptedResult | None:
    """The result of an earlier submission under this id. None if there is none, or if it is still open."""
    if options.validate_only:
        return None
    services.database.must_be_up()
    made = request.made
    ended = await services.outcomes.look_up(options.command_id)
    if ended is not None or not _need_only_be_accepted(made, options):
        return ended
    # The client does not wait for the outcome, so a conflict must be found in the queue.
    if await _other_is_queued(services, request):
        return ConflictResult(options.command_id)
    if made.not_before is not None and await pending_alone(services.nats, made.command_id) is not None:
        return AcceptedResult(options.command_id)  # the first submission's time counts
    return None


def _need_only_be_accepted(made: SubmittedCommand, options: Options) -> bool:
    return options.wait is Wait.ACCEPTED or made.not_before is not None


async def _answered(
    services: Services,
    request: Request,
    ended: Ended | ConflictResult | AcceptedResult | None,
    options: Options,
) -> Result:
    """Submits the command, unless the id has a result already, and waits as the options ask."""
    made = request.made
    if options.validate_only:
        return dry_result_of(await dry_run(services, made), options.expected_version)
    if ended is None and made.rejected is not None:
        first = await _first_sent(services, request) if options.given_id else None
        if first is None:
            return RejectedResult(options.command_id, *made.rejected)
        if isinstance(first, SubmittedCommand):
            made = first
        else:
            ended = first
    if isinstance(ended, ConflictResult | AcceptedResult):
        return ended
    if ended is None and _need_only_be_accepted(made, options):
        await services.submitter.submit(made, alone=options.given_id)
        return (
            await _accepted(services, request, options)
            if options.given_id
            else AcceptedResult(options.command_id)
        )
    services.database.must_be_up()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + options.timeout_ms / 1000
    if ended is None:
        services.database.circuit.must_write()
        with services.outcomes.expect(options.command_id) as expected:
            await services.submitter.submit(made, alone=options.given_id)
            ended = await expected.outcome(max(0.0, deadline - loop.time()))
    if ended is None:
        return PendingResult(options.command_id, Stage.DECISION, None)
    if not await is_repeated(services, request, ended):
        return ConflictResult(options.command_id)
    settlement = None
    if options.wait is Wait.SETTLED and ended.status == Status.APPLIED:
        settlement = await settled(services, ended, max(0.0, deadline - loop.time()))
        if settlement is None:
            return PendingResult(options.command_id, Stage.REACTIONS, ended.position)
    if (chosen := options.shown_by) is None or chosen:
        events = ended.events if settlement is None else settlement.events
        if not_shown := await late(services, events, chosen, max(0.0, deadline - loop.time())):
            return PendingResult(options.command_id, Stage.PROJECTION, ended.position, not_shown)
    return result_of(ended, options.expected_version, settlement)


async def _first_sent(
    services: Services, request: Request
) -> SubmittedCommand | Ended | ConflictResult | None:
    """An earlier submission under the id of a command that a hook rejects now. Its outcome counts."""
    made = request.made
    queued = await pending_alone(services.nats, made.command_id)
    if queued is None:
        return await services.outcomes.look_up(made.command_id)  # it may have ended in the meantime
    if not await is_repeated(services, request, queued):
        return ConflictResult(made.command_id)
    return replace(queued, reply=made.reply, fresh=False)


def _check_options(services: Services, options: Options) -> None:
    longest = int(services.limits.max_wait_seconds * 1000)
    if not 0 <= options.timeout_ms <= longest:
        raise InvalidRequest("timeoutMs", f"must be from 0 to {longest}, got {options.timeout_ms}")
    if options.expected_version is not None and options.expected_version < 0:
        raise InvalidRequest("expectedVersion", f"must be 0 or more, got {options.expected_version}")
    if options.projections is not None and options.wait not in (Wait.PROJECTED, Wait.SETTLED):
        raise InvalidRequest("projections", "needs wait: PROJECTED or SETTLED")
    if options.projections is not None and not options.projections:
        raise InvalidRequest("projections", "must name at least one; leave it out to wait for all")
    if options.not_before is not None and options.not_before.tzinfo is None:
        raise InvalidRequest("notBefore", f"must have a time zone, got {options.not_before.isoformat()}")
    days = services.limits.max_schedule_days
    if options.not_before is not None and options.not_before > services.now() + timedelta(days=days):
        problem = f"must be within {days} days, got {options.not_before.isoformat()}"
        raise InvalidRequest("notBefore", problem)


async def _accepted(
    services: Services, request: Request, options: Options
) -> AcceptedResult | ConflictResult:
    """The receipt of a stored command, or a conflict if another content with this id was stored before it."""
    if await _other_is_queued(services, request):
        return ConflictResult(options.command_id)
    ended = await services.outcomes.look_up(options.command_id)
    if ended is not None and not await is_repeated(services, request, ended):
        return ConflictResult(options.command_id)
    return AcceptedResult(options.command_id)


async def _other_is_queued(services: Services, request: Request) -> bool:
    """Whether the first queued command with this id is another request."""
    queued = await pending_alone(services.nats, request.made.command_id)
    return queued is not None and not await is_repeated(services, request, queued)


async def submit_all(services: Services, items: Sequence[tuple[Any, Options]]) -> list[Result]:
    """Submits many commands at once, in order. Each has its own result.

    Raises InvalidRequest for too many commands, before any is submitted.
    """
    if len(items) > services.limits.max_batch:
        raise InvalidRequest("commands", f"must be at most {services.limits.max_batch}, got {len(items)}")
    made = [_assembled(services, command, options) for command, options in items]

    async def earlier(
        one: Request | InvalidResult | ForbiddenResult, options: Options
    ) -> Ended | ConflictResult | AcceptedResult | None:
        if not isinstance(one, Request) or not options.given_id:
            return None
        return await _earlier(services, one, options)

    async def answered(
        one: Request | InvalidResult | ForbiddenResult,
        ended: Ended | ConflictResult | AcceptedResult | None,
        options: Options,
    ) -> Result:
        return await _answered(services, one, ended, options) if isinstance(one, Request) else one

    asked = [options for _, options in items]
    ended = await asyncio.gather(
        *map(earlier, made, asked)
    )  # all look-ups first, so that they do not change the order of submission
    return list(await asyncio.gather(*map(answered, made, ended, asked)))
