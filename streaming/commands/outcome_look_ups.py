"""Looks up outcomes in Postgres. What is asked for at once shares a query, so few connections are enough."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from uuid import UUID

from commander.eventstore.database import Database
from commander.eventstore.log.outcomes import events_of_outcomes, known_outcomes
from commander.eventstore.records import Outcome, RecordedEvent
from commander.streaming.grouping import Groups

_LARGEST = 500
_AT_ONCE = 4
"""Each takes a connection of the pool."""


class Known(NamedTuple):
    """An outcome, with its events."""

    outcome: Outcome
    events: list[RecordedEvent]


class _Asked(NamedTuple):
    command_id: UUID
    answer: asyncio.Future[Known | None]


class OutcomeLookUps:
    """Finds the outcomes of commands, for all tasks of a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups = Groups(self._look_up, largest=_LARGEST, at_once=_AT_ONCE)

    async def of(self, command_id: UUID) -> Known | None:
        """The outcome of a command as stored after this call; None if there is none. Raises Unavailable."""
        asked = _Asked(command_id, asyncio.get_running_loop().create_future())
        self._groups.add(asked)
        return await asked.answer

    async def _look_up(self, group: list[_Asked]) -> None:
        try:
            async with self._database.connection() as connection:
                found = await known_outcomes(connection, [asked.command_id for asked in group])
                events = await events_of_outcomes(connection, found.values())
        except Exception as error:
            for asked in group:
                if not asked.answer.done():  # else the caller was cancelled
                    asked.answer.set_exception(error)
        else:
            for asked in group:
                if not asked.answer.done():
                    outcome = found.get(asked.command_id)
                    known = None if outcome is None else Known(outcome, events[asked.command_id])
                    asked.answer.set_result(known)
