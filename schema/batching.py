"""Loads data for many fields of one answer together: one statement per level, not one per field."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast
from uuid import UUID

from strawberry.dataloader import DataLoader

from commander.domain import Rights
from commander.domain.errors import CommanderError
from commander.domain.filters import Filter
from commander.eventstore.log.lineage import events_of_commands
from commander.eventstore.projections.queries import RowPage
from commander.eventstore.projections.versions import RowVersion
from commander.eventstore.records import Outcome, RecordedEvent
from commander.resolvers.affordances import Answer, Asked, available_commands
from commander.resolvers.answer_size import AnswerSize
from commander.resolvers.events import Page, events_at
from commander.resolvers.links import Referring, counts_of_links, pages_of_links, rows_of
from commander.resolvers.reactions import Reactions
from commander.resolvers.read_your_writes import Shown, shows
from commander.resolvers.services import Services
from commander.resolvers.status import CommandState, states_of
from commander.resolvers.stream_events import StreamPage, pages_of
from commander.resolvers.time_travel import PastRow, past_rows
from commander.resolvers.unique_rows import KeyedRow, rows_by_unique_keys
from commander.resolvers.visible_events import sees_command, sees_every_event, visible_events
from commander.resolvers.visible_rows import visible
from commander.streaming.projections.progress import Reached

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Batching:
    """The loaders of one answer. Of what they load, only pending commands are cached; see Reactions.

    size: that of the answer. A level that alone exceeds it is not loaded whole. rights: those of the viewer.
    """

    def __init__(self, services: Services, size: AnswerSize, rights: Rights | None = None) -> None:
        self._services = services
        self._size = size
        self._rights = rights
        self._reactions = Reactions(services)
        self.events = _loader(self._events)
        self.reactions = _loader(self._reactions_to)
        self.stream_events = _loader(self._pages)
        self.rows = _loader(self._rows)
        self.rows_by_unique_keys = _loader(self._rows_by_unique_keys)
        self.pages_of_links = _loader(self._pages_of_links)
        self.counts_of_links = _loader(self._counts_of_links)
        self.past_rows = _loader(self._past_rows)
        self.reached = _loader(self._reached)
        self.commands = _loader(self._commands)
        self.events_at = _loader(self._events_at)
        self.available_commands = _loader(self._available_commands)

    async def _events(self, outcomes: Sequence[Outcome]) -> list[list[RecordedEvent]]:
        room = self._size.room
        made = await events_of_commands(self._services.database, outcomes, room + 1)
        self._size.allow(sum(map(len, made.values())))
        if sees_every_event(self._rights):
            return [made[outcome.command_id] for outcome in outcomes]
        own = {outcome.command_id for outcome in outcomes if sees_command(self._rights, outcome)}
        others = [event for id_, events in made.items() if id_ not in own for event in events]
        seen = {event.position for event in await visible_events(self._services, self._rights, others)}
        return [
            [event for event in made[one.command_id] if one.command_id in own or event.position in seen]
            for one in outcomes
        ]

    async def _reactions_to(self, events: Sequence[tuple[int, UUID]]) -> list[list[CommandState]]:
        room = self._size.room
        found = await self._reactions.to(events, room + 1)
        self._size.allow(sum(map(len, found)))
        return found

    async def _pages(self, asked: Sequence[StreamPage]) -> list[Page[RecordedEvent]]:
        pages = await pages_of(self._services, asked)
        if sees_every_event(self._rights):
            return pages
        events = [event for page in pages for event in page.items]
        seen = {event.position for event in await visible_events(self._services, self._rights, events)}
        return [replace(page, items=[e for e in page.items if e.position in seen]) for page in pages]

    async def _rows(self, asked: Sequence[tuple[str, Any]]) -> list[Any | None]:
        """asked: names of projections, each with a key. None for a row that the viewer does not see."""
        found: dict[tuple[str, Any], Any] = {}
        for name in dict.fromkeys(name for name, _ in asked):
            keys = [key for projection, key in asked if projection == name]
            rows = await rows_of(self._services, name, keys)
            type_ = self._services.domain.projections[name]
            found |= {(name, key): visible(self._rights, type_, row) for key, row in rows.items()}
        return [found.get(one) for one in asked]

    async def _rows_by_unique_keys(self, asked: Sequence[KeyedRow]) -> list[Any | CommanderError | None]:
        """None for a row that the viewer does not see."""
        found = await rows_by_unique_keys(self._services, asked)
        return [self._seen(one.projection, found[one]) for one in asked]

    def _seen(self, projection: str, row: Any | CommanderError | None) -> Any | CommanderError | None:
        if isinstance(row, CommanderError):
            return row
        return visible(self._rights, self._services.domain.projections[projection], row)

    async def _pages_of_links(self, asked: Sequence[tuple[Referring, RowPage]]) -> list[list[Any]]:
        found = await pages_of_links(self._services, asked, self._size)
        return [found[one] for one in asked]

    async def _counts_of_links(self, asked: Sequence[tuple[Referring, Filter]]) -> list[int]:
        found = await counts_of_links(self._services, asked)
        return [found[one] for one in asked]

    async def _past_rows(self, asked: Sequence[PastRow]) -> list[RowVersion | CommanderError | None]:
        found = await past_rows(self._services, asked)
        return [found[one] for one in asked]

    async def _reached(self, asked: Sequence[Shown]) -> list[Reached | CommanderError]:
        return await asyncio.gather(*(shows(self._services, one) for one in asked))

    async def _commands(self, command_ids: Sequence[UUID]) -> list[CommandState | None]:
        found = await states_of(self._services, command_ids, self._rights)
        return [found.get(one) for one in command_ids]

    async def _events_at(self, positions: Sequence[int]) -> list[RecordedEvent | None]:
        found = await events_at(self._services, positions)
        seen = await visible_events(self._services, self._rights, found.values())
        found = {event.position: event for event in seen}
        return [found.get(position) for position in positions]

    async def _available_commands(self, asked: Sequence[Asked]) -> list[Answer]:
        self._size.allow(sum(len(self._services.affordances[one.aggregate]) for one in asked))
        found = await available_commands(self._services, self._rights, asked)
        return [found[one] for one in asked]


def _loader(load: Callable[[Sequence[K]], Awaitable[Sequence[V | CommanderError]]]) -> DataLoader[K, V]:
    """A loader that caches nothing. `load` gets each key once, however often the answer shows it.

    An error in place of a value is the error of that key alone.
    """

    async def loaded(keys: list[K]) -> list[V]:
        distinct = list(dict.fromkeys(keys))
        found = dict(zip(distinct, await load(distinct), strict=True))
        return cast(list[V], [found[key] for key in keys])  # an error takes the place of a value

    return DataLoader(loaded, cache=False)
