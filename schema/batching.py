"""Loads data for many fields of one answer together: one statement per level, not one per field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from commander.eventstore.log.lineage import events_of_commands
from commander.eventstore.projections.folding import rows_by_keys
from commander.eventstore.records import Outcome, RecordedEvent
from commander.resolvers.answer_size import AnswerSize
from commander.resolvers.events import Page, events_at
from commander.resolvers.reactions import Reactions
from commander.resolvers.services import Services
from commander.resolvers.status import CommandState, states_of
from commander.resolvers.stream_events import StreamPage, pages_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Batching:
    """The loaders of one answer. Of what they load, only pending commands are cached; see Reactions.

    size: that of the answer. A level that alone exceeds it is not loaded whole.
    """

    def __init__(self, services: Services, size: AnswerSize) -> None:
        self._services = services
        self._size = size
        self._reactions = Reactions(services)
        self.events = _loader(self._events)
        self.reactions = _loader(self._reactions_to)
        self.stream_events = _loader(self._pages)
        self.rows = _loader(self._rows)
        self.commands = _loader(self._commands)
        self.events_at = _loader(self._events_at)

    async def _events(self, outcomes: Sequence[Outcome]) -> list[list[RecordedEvent]]:
        room = self._size.room
        made = await events_of_commands(self._services.database, outcomes, room + 1)
        self._size.allow(sum(map(len, made.values())))
        return [made[outcome.command_id] for outcome in outcomes]

    async def _reactions_to(self, events: Sequence[tuple[int, UUID]]) -> list[list[CommandState]]:
        room = self._size.room
        found = await self._reactions.to(events, room + 1)
        self._size.allow(sum(map(len, found)))
        return found

    async def _pages(self, asked: Sequence[StreamPage]) -> list[Page[RecordedEvent]]:
        return await pages_of(self._services, asked)

    async def _rows(self, asked: Sequence[tuple[str, Any]]) -> list[Any | None]:
        """asked: names of projections, each with a key."""
        found: dict[tuple[str, Any], Any] = {}
        for name in dict.fromkeys(name for name, _ in asked):
            keys = [key for projection, key in asked if projection == name]
            rows = await rows_by_keys(self._services.database, self._services.tables[name], keys)
            found |= {(name, key): row for key, row in rows.items()}
        return [found.get(one) for one in asked]

    async def _commands(self, command_ids: Sequence[UUID]) -> list[CommandState | None]:
        found = await states_of(self._services, command_ids)
        return [found.get(one) for one in command_ids]

    async def _events_at(self, positions: Sequence[int]) -> list[RecordedEvent | None]:
        found = await events_at(self._services, positions)
        return [found.get(position) for position in positions]


def _loader(load: Callable[[Sequence[K]], Awaitable[list[V]]]) -> DataLoader[K, V]:
    """A loader that caches nothing. `load` gets each key once, however often the answer shows it."""

    async def loaded(keys: list[K]) -> list[V]:
        distinct = list(dict.fromkeys(keys))
        found = dict(zip(distinct, await load(distinct), strict=True))
        return [found[key] for key in keys]

    return DataLoader(loaded, cache=False)
