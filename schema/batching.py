"""Loads data for many fields of one answer together: one statement per level, not one per field."""

from __future__ import annotations

from uuid import UUID

from strawberry.dataloader import DataLoader

from commander.eventstore.log.lineage import events_of_commands
from commander.eventstore.records import Outcome, RecordedEvent
from commander.resolvers.reactions import Reactions
from commander.resolvers.services import Services
from commander.resolvers.status import CommandState


class Batching:
    """The loaders of one answer. Of what they load, only pending commands are cached; see Reactions."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self.events: DataLoader[Outcome, list[RecordedEvent]] = DataLoader(self._events, cache=False)
        self.reactions: DataLoader[tuple[int, UUID], list[CommandState]] = DataLoader(
            Reactions(services).to, cache=False
        )

    async def _events(self, outcomes: list[Outcome]) -> list[list[RecordedEvent]]:
        made = await events_of_commands(self._database, outcomes)
        return [made[outcome.command_id] for outcome in outcomes]
