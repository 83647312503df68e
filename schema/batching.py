"""What many fields of one answer ask for, asked together: a statement a level, not one for each field."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from eventstore.database import Database
from eventstore.lineage import events_of_commands, reactions_to
from eventstore.records import Outcome, RecordedEvent

MAX_REACTIONS = 500
"""The most that one event shows."""


class Batching:
    """Nothing is remembered: a connection may ask again, and what is asked for grows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.events: DataLoader[Outcome, list[RecordedEvent]] = DataLoader(self._events, cache=False)
        self.reactions: DataLoader[int, list[Outcome]] = DataLoader(self._reactions, cache=False)

    async def _events(self, outcomes: list[Outcome]) -> list[list[RecordedEvent]]:
        made = await events_of_commands(self._database, outcomes)
        return [made[outcome.command_id] for outcome in outcomes]

    async def _reactions(self, positions: list[int]) -> list[list[Outcome]]:
        found = await reactions_to(self._database, positions, MAX_REACTIONS)
        return [found[position] for position in positions]
