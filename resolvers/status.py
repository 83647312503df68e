"""Where a command stands: queued, or how it ended; asked once, listed, or followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from commander.domain.errors import InvalidRequest, NotFound
from commander.eventstore.log.command_history import CommandFilter, list_commands
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Outcome, SubmittedCommand
from commander.resolvers.cursors import number_cursor_of, number_from
from commander.resolvers.events import Page, is_storable_text, page_size
from commander.resolvers.services import Services
from commander.streaming.commands.messages import is_due
from commander.streaming.commands.pending_by_id import pending_command

_UNKNOWN_SECONDS = 60.0
_COMMANDS = "commands"


@dataclass(frozen=True)
class CommandState:
    """A command as it was submitted or, once it has ended, its outcome."""

    submitted: SubmittedCommand | None
    outcome: Outcome | None
    scheduled: bool = False
    """Its time has not come."""

    @property
    def known(self) -> SubmittedCommand | Outcome:
        """The one that there is."""
        known = self.outcome or self.submitted
        assert known is not None, "a state has the one or the other"
        return known


def undecided(services: Services, command: SubmittedCommand) -> CommandState:
    """The state of a command that is under way."""
    return CommandState(command, None, not is_due(command, services.now()))


async def state_of(services: Services, command_id: UUID) -> CommandState | None:
    """Where a command stands now; None when nothing is known of the id."""
    outcome = await outcome_of(services.database, command_id)
    if outcome is not None:
        return CommandState(None, outcome)
    queued = await pending_command(services.nats, command_id)
    outcome = await outcome_of(services.database, command_id)  # it may have ended between the two looks
    if outcome is not None:
        return CommandState(None, outcome)
    return None if queued is None else undecided(services, queued)


async def command_by_id(services: Services, command_id: UUID) -> CommandState:
    """Where a command stands. Raises NotFound for an id that nothing is known of."""
    found = await state_of(services, command_id)
    if found is None:
        raise NotFound(f"there is no command with the id {command_id}")
    return found


async def follow_command(services: Services, command_id: UUID) -> AsyncIterator[CommandState]:
    """Scheduled, accepted, how it ended: those of these that are met. An id not yet known is waited for.

    Raises NotFound when the id stays unknown for a minute.
    """
    told: CommandState | None = None
    deadline = asyncio.get_running_loop().time() + _UNKNOWN_SECONDS
    async with services.outcomes.watch(command_id) as ended:
        while True:
            state = await state_of(services, command_id)
            if state is not None and (told is None or state.outcome or state.scheduled != told.scheduled):
                told = state
                yield state
            if state is not None and state.outcome is not None:
                return
            if told is None and asyncio.get_running_loop().time() > deadline:
                raise NotFound(f"nothing was heard of the command {command_id}")
            await ended.wait(timeout_seconds=0.25 if told is None else 1)


async def commands_page(
    services: Services, first: int | None, after: str | None, where: CommandFilter
) -> Page[Outcome]:
    """Commands that have ended, the newest first, behind a cursor. Raises InvalidRequest."""
    _check_filter(where)
    size = page_size(services, first)
    before = None if after is None else number_from("after", after, _COMMANDS)
    found = await list_commands(services.database, before, size + 1, where)

    async def newer() -> bool:
        newest = await list_commands(services.database, None, 1, where)
        return bool(newest) and before is not None and newest[0].number >= before

    return Page(found[:size], more=len(found) > size, earlier=False if before is None else newer)


def cursor_of(outcome: Outcome) -> str:
    """The cursor of a command in the list of commands."""
    return number_cursor_of(_COMMANDS, outcome.number)


def _check_filter(where: CommandFilter) -> None:
    """Types are not held against the domain's: the list holds commands of former code too."""
    given = {
        "filter.types": where.types or (),
        "filter.streams": where.streams or (),
        "filter.actor": (where.actor or "",),
    }
    for argument, texts in given.items():
        for text in texts:
            if not is_storable_text(text):
                raise InvalidRequest(argument, f"no command can have {text!r}")
