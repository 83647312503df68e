"""The status of commands: of one command, as a list, and as a subscription."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from commander.domain import Rights
from commander.domain.errors import NotFound
from commander.eventstore.log.command_history import CommandFilter, list_commands
from commander.eventstore.log.outcomes import known_outcomes, outcome_of
from commander.eventstore.records import Outcome, SubmittedCommand
from commander.resolvers.cursors import number_cursor_of, number_from
from commander.resolvers.events import Page, must_be_storable
from commander.resolvers.numbered import number_walk, numbered_page
from commander.resolvers.services import Services
from commander.resolvers.time_limits import within
from commander.resolvers.visible_events import sees_command
from commander.streaming.commands.messages import is_due
from commander.streaming.commands.pending_by_id import pending_command

_UNKNOWN_SECONDS = 60.0
_COMMANDS = "commands"


@dataclass(frozen=True)
class CommandState:
    """A pending command, or the outcome of a command that has ended."""

    submitted: SubmittedCommand | None
    outcome: Outcome | None
    scheduled: bool = False
    """Whether the command waits for its time."""

    @property
    def known(self) -> SubmittedCommand | Outcome:
        """The outcome, or the submitted command."""
        known = self.outcome or self.submitted
        assert known is not None, "a state has an outcome or a submitted command"
        return known


def undecided(services: Services, command: SubmittedCommand) -> CommandState:
    """The state of a pending command."""
    return CommandState(command, None, not is_due(command, services.now()))


async def state_of(services: Services, command_id: UUID, rights: Rights | None = None) -> CommandState | None:
    """The state of a command. None for an unknown id, and for a command that the viewer may not see.

    The same is asked for both, so that the time of the answer does not tell them apart.
    """
    outcome = await outcome_of(services.database, command_id)
    if outcome is not None and sees_command(rights, outcome):
        return CommandState(None, outcome)
    queued = await pending_command(services.nats, services.database, command_id)
    outcome = await outcome_of(services.database, command_id)  # it may have ended in the meantime
    if outcome is not None:
        return CommandState(None, outcome) if sees_command(rights, outcome) else None
    return undecided(services, queued) if queued is not None and sees_command(rights, queued) else None


async def states_of(
    services: Services, command_ids: Sequence[UUID], rights: Rights | None = None
) -> dict[UUID, CommandState]:
    """The states of these commands. One that `state_of` does not find is missing."""
    async with services.database.connection() as connection:
        ended = await known_outcomes(connection, command_ids)
    found = {
        one: CommandState(None, outcome) for one, outcome in ended.items() if sees_command(rights, outcome)
    }
    for one in command_ids:
        if one not in found and (state := await state_of(services, one, rights)) is not None:
            found[one] = state
    return found


async def command_by_id(services: Services, command_id: UUID, rights: Rights | None = None) -> CommandState:
    """The state of a command. Raises NotFound if `state_of` does not find it."""
    found = await state_of(services, command_id, rights)
    if found is None:
        raise unknown_command(command_id)
    return found


def unknown_command(command_id: UUID) -> NotFound:
    """The error for a command that there is not, or that the viewer may not see."""
    return NotFound(f"there is no command with the id {command_id}")


async def follow_command(
    services: Services, command_id: UUID, rights: Rights | None = None
) -> AsyncIterator[CommandState]:
    """The state of a command at each change of its status, until it has an outcome.

    Waits for an id that is unknown. Raises NotFound if it stays unknown for a minute. A command that the
    viewer may not see is unknown, also when it is decided. Each state is read within the limit of time of
    an item; raises TimedOut.
    """
    sent: CommandState | None = None
    seconds = services.limits.operation_seconds
    deadline = asyncio.get_running_loop().time() + _UNKNOWN_SECONDS
    async with services.outcomes.watch(command_id) as ended:
        while True:
            state = await within(seconds, state_of(services, command_id, rights))
            if state is not None and (sent is None or state.outcome or state.scheduled != sent.scheduled):
                sent = state
                yield state
            if state is not None and state.outcome is not None:
                return
            if sent is None and asyncio.get_running_loop().time() > deadline:
                raise NotFound(f"no command with the id {command_id} was submitted within a minute")
            await ended.wait(timeout_seconds=0.25 if sent is None else 1)


async def commands_page(
    services: Services,
    where: CommandFilter,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    rights: Rights | None = None,
) -> Page[Outcome]:
    """Commands that have an outcome and that the viewer may see, newest first, between two cursors.

    They are selected in SQL, so a page is full if there are as many. Raises InvalidRequest.
    """
    _check_filter(where)
    subject = None if rights is None or rights.is_operator else rights.viewer.subject or ""
    walk = number_walk(services, first, _number("after", after), last, _number("before", before))

    async def read(low: int, high: int | None, limit: int, newest_first: bool) -> list[Outcome]:
        return await list_commands(
            services.database,
            high,
            limit,
            where,
            after=low,
            oldest_first=not newest_first,
            subject=subject,
        )

    return await numbered_page(read, walk, newest_first=True)


def _number(argument: str, cursor: str | None) -> int | None:
    return None if cursor is None else number_from(argument, cursor, _COMMANDS)


def command_cursor_of(outcome: Outcome) -> str:
    """The cursor of a command in the list of commands."""
    return number_cursor_of(_COMMANDS, outcome.number)


def _check_filter(where: CommandFilter) -> None:
    """Does not compare types with the domain: the list also has commands of earlier code."""
    given = {
        "filter.types": where.types or (),
        "filter.streams": where.streams or (),
        "filter.actor": (where.actor or "",),
    }
    for argument, texts in given.items():
        for text in texts:
            must_be_storable(argument, text)
