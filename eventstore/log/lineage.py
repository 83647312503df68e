"""Lineage: the events of a command, the commands that reactors sent in reaction to them, and so on.

The events of a command are adjacent in the log, and a reaction has the position of its event. So an index
finds each step, and one statement finds the next step of many commands.
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
    """A decided command. depth: the number of reactions between it and the first command."""

    depth: int
    outcome: Outcome


async def descendants(database: Database, command_id: UUID, max_depth: int, limit: int) -> list[Descendant]:
    """The command and its descendants, nearest first, at most `limit`. Empty while it has no outcome."""
    rows = await database.fetch(_DESCENDANTS, command_id, max_depth, limit)
    return [Descendant(row[0], Outcome(*row[1:])) for row in rows]


async def events_of_commands(
    database: Database, outcomes: Sequence[Outcome], limit: int | None = None
) -> dict[UUID, list[RecordedEvent]]:
    """The events of each of these commands, in order.

    limit: the maximum over all commands together. Beyond it, events of the last commands are missing.
    """
    wanted = [outcome for outcome in outcomes if outcome.event_count]
    made: dict[UUID, list[RecordedEvent]] = {outcome.command_id: [] for outcome in outcomes}
    if wanted:
        after = [outcome.position - outcome.event_count for outcome in wanted]
        up_to = [outcome.position for outcome in wanted]
        for row in await database.fetch(_EVENTS_OF_COMMANDS, after, up_to, limit):
            event = RecordedEvent(*row)
            made[event.command_id].append(event)
    return made


async def reactions_to(
    database: Database, positions: Sequence[int], limit: int, total: int | None = None
) -> dict[int, list[Outcome]]:
    """The decided commands that reactors sent in reaction to the event at each of these positions.

    At most `limit` per event, in the order of their outcomes, and at most `total` together.
    """
    found: dict[int, list[Outcome]] = {position: [] for position in positions}
    for row in await database.fetch(_REACTIONS_TO, list(found), limit, total):
        outcome = Outcome(*row)
        assert outcome.causation_position is not None, "the query selects by it"
        found[outcome.causation_position].append(outcome)
    return found
