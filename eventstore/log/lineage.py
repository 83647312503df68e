"""What followed from a command: its events, the commands that reactors sent because of them, and so on.

A command's events stand together in the log, and a reaction bears the position of its event; so each step is
found in an index, and many at once by one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from commander.eventstore.database import Database
from commander.eventstore.records import Outcome, RecordedEvent
from commander.eventstore.sql import statement

_DESCENDANTS = statement("descendants")
_EVENTS_OF_COMMANDS = statement("events_of_commands")
_REACTIONS_TO = statement("reactions_to")


class Descendant(NamedTuple):
    """A command that has ended, and how many reactions lie between it and the command asked for."""

    depth: int
    outcome: Outcome


async def descendants(database: Database, command_id: UUID, max_depth: int, limit: int) -> list[Descendant]:
    """The command and what followed from it, nearest first, at most `limit`; nothing before it has ended."""
    rows = await database.fetch(_DESCENDANTS, command_id, max_depth, limit)
    return [Descendant(row[0], Outcome(*row[1:])) for row in rows]


async def events_of_commands(
    database: Database, outcomes: Sequence[Outcome], limit: int | None = None
) -> dict[UUID, list[RecordedEvent]]:
    """The events of each of these commands, in order; together at most `limit`, those of the last cut off."""
    wanted = [outcome for outcome in outcomes if outcome.event_count]
    made: dict[UUID, list[RecordedEvent]] = {outcome.command_id: [] for outcome in outcomes}
    if wanted:
        after = [outcome.position - outcome.event_count for outcome in wanted]
        up_to = [outcome.position for outcome in wanted]
        for row in await database.fetch(_EVENTS_OF_COMMANDS, after, up_to, limit):
            event = RecordedEvent(*row)
            made[event.command_id].append(event)
    return made


async def reactions_to(database: Database, positions: Sequence[int], limit: int) -> dict[int, list[Outcome]]:
    """The commands that were sent because of the event at each of these positions and have ended.

    At most `limit` for each event, the first that ended.
    """
    found: dict[int, list[Outcome]] = {position: [] for position in positions}
    for row in await database.fetch(_REACTIONS_TO, list(found), limit):
        outcome = Outcome(*row)
        assert outcome.causation_position is not None, "it was found by that"
        found[outcome.causation_position].append(outcome)
    return found
