"""The interface Event, a type per event of the domain, and the items of the feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import strawberry
from graphql import GraphQLResolveInfo
from strawberry.types import Info

from commander.domain import Domain, EventType, Field, Rights, UndecodableEvent
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.resolvers.events import Page, event_at
from commander.resolvers.log_pages import events_page
from commander.resolvers.request_context import operates
from commander.resolvers.visible_events import visible_events, visible_page
from commander.schema.context import Context
from commander.schema.errors import why_unreadable
from commander.schema.naming import PLAIN, Naming
from commander.schema.types.direct_field import DirectField, Given
from commander.schema.types.field_types import TypeMap, from_domain, nulled
from commander.schema.types.late_projections import StoppedAt
from commander.schema.types.paging import PageInfo, page_info
from commander.schema.types.records import Event, FeedItem
from commander.schema.types.scalars import Position
from commander.schema.types.shared_fields import shared_fields
from commander.streaming.feed import feed

FOLLOWED = "events"
"""The subscription whose rendered items many subscribers share; see following.py."""
NOT_FOLLOWED = "reactions"
"""The field of an event that the subscription does not offer."""
_BEGINNING = Position(0)
LogEpoch = Annotated[
    int,
    strawberry.argument(
        description="The epoch of the item whose position is `after`. If the log was set back since then, "
        "and had other events up to there, the error CURSOR_LOST says where to begin."
    ),
]


@strawberry.type(description="An event that the code of this server cannot read. `reason` says why.")
class UnreadableEvent(Event):
    reason: str


@strawberry.type(description="All events up to this position are delivered. The next items are live.")
class CaughtUp(FeedItem):
    pass


@strawberry.type(description="No event has matched for a while. Resume from this position.")
class Heartbeat(FeedItem):
    pass


@strawberry.type(
    description="What the subscription shows stands still: later changes do not arrive, or nobody knows "
    "whether there are any. It comes within 5 seconds, and again in place of heartbeats."
)
class StandsStill(FeedItem):
    since: datetime = strawberry.field(description="Until then, everything was delivered.")
    reason: str
    stopped: StoppedAt | None = strawberry.field(
        default=None, description="The event that these rows' projection cannot fold, if so. For operators."
    )


@strawberry.input(name="EventFilter", description="Selects events. All given conditions must hold.")
class EventFilterInput:
    types: list[str] | None = strawberry.field(default=None, description="Names of event types.")
    streams: list[str] | None = None
    aggregates: list[str] | None = None
    correlation_id: UUID | None = None
    command_id: UUID | None = None


def event_filter(domain: Domain, given: Given | None) -> EventFilter:
    """The filter for an input EventFilter, as coerced by graphql-core. None matches all events.

    A type or an aggregate may have its present name or an earlier one.
    """
    given = given or {}

    def names(part: str, stored: Callable[[Iterable[str]], frozenset[str]]) -> frozenset[str] | None:
        return None if given.get(part) is None else stored(given[part])

    return EventFilter(
        types=names("types", domain.event_names),
        streams=names("streams", frozenset),
        aggregates=names("aggregates", domain.aggregate_names),
        correlation_id=given.get("correlationId"),
        command_id=given.get("commandId"),
    )


@strawberry.type
class EventEdge:
    cursor: str
    node: Event


@strawberry.type
class EventConnection:
    edges: list[EventEdge]
    page_info: PageInfo


class EventTypes:
    """The GraphQL types of a domain's events. Converts stored events to instances of them."""

    def __init__(self, domain: Domain, types: TypeMap, naming: Naming = PLAIN) -> None:
        self.domain = domain
        self.naming = naming
        self._types = types
        named = {**domain.events, domain.rejection.name: domain.rejection}
        fields = shared_fields(named.values())
        self._by_name = {name: self._make(type_, fields[name]) for name, type_ in named.items()}

    @property
    def classes(self) -> list[Any]:
        return [*self._by_name.values(), UnreadableEvent, CaughtUp, Heartbeat, StandsStill]

    def of(self, recorded: RecordedEvent, rights: Rights | None = None) -> Event:
        """The event as its GraphQL type, or as an UnreadableEvent if it cannot be decoded.

        rights: those of the viewer, who sees the event. Fields that it does not see are null.
        """
        envelope: dict[str, Any] = {
            "position": recorded.position,
            "stream": recorded.stream,
            "version": recorded.version,
            "aggregate": self.aggregate_name(recorded.aggregate),
            "type": self.type_name(recorded.type),
            "schema_version": recorded.schema_version,
            "recorded_at": recorded.recorded_at,
            "command_id": recorded.command_id,
            "correlation_id": recorded.correlation_id,
            "causation_position": recorded.causation_position,
            "_types": self,
        }
        try:
            instance = self.domain.decode(
                recorded.type, recorded.schema_version, recorded.data, recorded.position
            )
        except UndecodableEvent as error:
            return UnreadableEvent(**envelope, reason=why_unreadable(error, operates(rights)))
        own = dict(vars(instance))
        if rights is not None and (type_ := self.domain.event_type(recorded.type)) is not None:
            own.update(dict.fromkeys(rights.hidden(type_)))
        made: Event = self._by_name[envelope["type"]](**envelope, **own)
        return made

    def item(self, item: feed.FeedItem, rights: Rights | None = None) -> FeedItem:
        match item:
            case RecordedEvent():
                return self.of(item, rights)
            case feed.CaughtUp(position):
                return CaughtUp(position=Position(position))
            case feed.Heartbeat(position):
                return Heartbeat(position=Position(position))
            case feed.StandsStill(position, since, reason):
                return StandsStill(position=Position(position), since=since, reason=reason)

    def decoded(self, item: feed.FeedItem) -> tuple[Any, str]:
        """The decoded event of an item, and the name of the item's GraphQL type.

        For CaughtUp, Heartbeat and StandsStill it is the item. For an UnreadableEvent it is the error.
        """
        if not isinstance(item, RecordedEvent):
            return item, self.naming.type(type(item).__name__)
        try:
            event = self.domain.decode(item.type, item.schema_version, item.data, item.position)
        except UndecodableEvent as error:
            return error, self.naming.type(UnreadableEvent.__name__)
        return event, self.naming.type(self.type_name(item.type))

    def type_name(self, stored: str) -> str:
        """The present name of an event type. A name that the domain does not know stays as it is."""
        type_ = self.domain.event_type(stored)
        return stored if type_ is None else type_.name

    def aggregate_name(self, stored: str) -> str:
        """The present name of an aggregate."""
        aggregate = self.domain.aggregate_type(stored)
        return stored if aggregate is None else aggregate.name

    def command_name(self, stored: str) -> str:
        """The present name of a command type."""
        type_ = self.domain.command_type(stored)
        return stored if type_ is None else type_.name

    def command_input(self, stored: str, data: str | bytes, rights: Rights | None) -> Any:
        """The input of a stored command as JSON, in the form of its GraphQL input type.

        A command that this code does not know or cannot read: as it is stored. Fields that a viewer with
        these rights does not see are null.
        """
        if (type_ := self.domain.command_type(stored)) is None:
            return msgspec.json.decode(data)
        try:
            made = from_domain(type_.fields, type_.decode(data))
        except Exception:  # a __post_init__ may raise anything
            made = msgspec.json.decode(data)
        return made if rights is None else nulled(made, type_.fields, rights.hidden(type_))

    @property
    def names(self) -> list[str]:
        """The names of the GraphQL types of all events."""
        return [self.naming.type(name) for name in (*self._by_name, UnreadableEvent.__name__)]

    def event_type(self, type_name: str) -> EventType | None:
        """The event type of a GraphQL type. None for an item that is not an event of the domain."""
        return self.domain.event_type(self.naming.plain_type(type_name))

    def connection(
        self,
        rights: Rights | None,
        page: Page[RecordedEvent],
        place: Callable[[RecordedEvent], int] = lambda e: e.position,
    ) -> EventConnection:
        """rights: of the viewer, who sees all of these. place: the number of an event that is its cursor."""
        edges = [EventEdge(cursor=str(place(e)), node=self.of(e, rights)) for e in page.items]
        return EventConnection(edges=edges, page_info=page_info(page, [edge.cursor for edge in edges]))

    def _make(self, type_: EventType, fields: tuple[Field, ...]) -> Any:
        """A type cannot be deprecated in GraphQL: all own fields of a deprecated event are."""
        reason, text = type_.deprecated, type_.doc
        if reason is not None:
            fields = tuple(replace(one, deprecated=one.deprecated or reason) for one in fields)
            text = f"{text}\n\nDeprecated: {reason}".strip()
        return self._types.object_type(type_.name, fields, where=type_.where, base=Event, description=text)


def event_fields(types: EventTypes) -> tuple[DirectField, list[Any], list[Any]]:
    """The fields that read and follow the log: Query.events, others of Query, those of Subscription."""

    def declared_events(
        after: Position = _BEGINNING,
        first: int | None = None,
        before: Position | None = None,
        last: int | None = None,
        filter: EventFilterInput | None = None,
    ) -> EventConnection:
        raise AssertionError("the function below resolves this field")

    async def events(
        _root: None,
        info: GraphQLResolveInfo[Context],
        /,
        after: int,
        first: int | None = None,
        before: int | None = None,
        last: int | None = None,
        filter: Given | None = None,
    ) -> EventConnection:
        where = event_filter(types.domain, filter)
        services, rights = info.context.services, info.context.rights
        page = await events_page(services, where, first=first, after=after, last=last, before=before)
        return types.connection(rights, await visible_page(services, rights, page))

    async def event(info: Info[Context, None], position: Position) -> Event | None:
        services, rights = info.context.services, info.context.rights
        found = await event_at(services, position)
        seen = [] if found is None else await visible_events(services, rights, [found])
        return types.of(seen[0], rights) if seen else None

    async def declared(
        after: Position | None = None, log_epoch: LogEpoch = 1, filter: EventFilterInput | None = None
    ) -> AsyncIterator[FeedItem]:
        raise AssertionError("following.py serves this subscription")
        yield

    return (
        DirectField(
            strawberry.field(
                declared_events,
                name="events",
                description="The events of the log, oldest first: the `first` ones after the position "
                "`after`, or the `last` ones before the position `before`.",
            ),
            events,
            "Query",
        ),
        [strawberry.field(event, name="event", description="The event at a position.")],
        [
            strawberry.subscription(
                declared,
                name=FOLLOWED,
                description="The events after a position, then live events, without a gap. Without "
                "`after`: live events only.",
            )
        ],
    )
