"""The fields `node` and `nodes` of Query: any row, command or event by its id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import strawberry
from graphql import GraphQLResolveInfo

from commander.domain import ProjectionType
from commander.domain.checking import problems_of
from commander.domain.errors import InvalidRequest
from commander.resolvers.cursors import is_kept
from commander.resolvers.node_ids import CommandId, EventId, RowId, read_id, row_id
from commander.schema.context import Context
from commander.schema.types.direct_field import DirectField
from commander.schema.types.events import EventTypes
from commander.schema.types.read_your_writes import reach_by_link
from commander.schema.types.records import NODE_ID, Node, command_of
from commander.streaming.live.changes import Cursor


def id_of_row(name: str, type_: ProjectionType) -> DirectField:
    """The field `id` of a row. name: of the type of the row."""

    def declared() -> Any: ...

    declared.__annotations__["return"] = strawberry.ID

    def resolve(row: Any, _info: GraphQLResolveInfo[Context], /) -> str:
        return row_id(type_, row)

    return DirectField(strawberry.field(declared, name="id", description=NODE_ID), resolve, name)


def is_key(type_: ProjectionType, key: Any) -> bool:
    """Whether a row can have this key. Some others are values that Postgres does not accept at all."""
    return not problems_of((type_.key_field,), SimpleNamespace(**{type_.key: key}))


def node_fields(projections: Mapping[str, ProjectionType], events: EventTypes) -> list[DirectField]:
    """The two fields. projections: by stored name."""

    async def found(info: GraphQLResolveInfo[Context], argument: str, id: str) -> Any | None:
        context = info.context
        match read_id(argument, id, projections):
            case RowId(type_, key):
                if type_ is None or not is_key(type_, key):
                    return None
                await reach_by_link(info, type_)
                return await context.batching.rows.load((type_.name, key))
            case CommandId(command_id):
                state = await context.batching.commands.load(command_id)
                return None if state is None else command_of(state, events, context.rights)
            case EventId(position, epoch):
                if not is_kept(context.epochs, Cursor(position, epoch=epoch)):
                    return None
                event = await context.batching.events_at.load(position)
                return None if event is None else events.of(event, context.rights)

    def declared(id: strawberry.ID) -> Node | None:
        raise AssertionError("the function below resolves this field")

    async def node(_root: None, info: GraphQLResolveInfo[Context], /, id: str) -> Any | None:
        return await found(info, "id", id)

    def declared_many(ids: list[strawberry.ID]) -> list[Node | None]:
        raise AssertionError("the function below resolves this field")

    async def nodes(_root: None, info: GraphQLResolveInfo[Context], /, ids: list[str]) -> list[Any | None]:
        most = info.context.services.limits.max_page
        if len(ids) > most:
            raise InvalidRequest("ids", f"at most {most} at once; got {len(ids)}")
        return list(await asyncio.gather(*(found(info, "ids", one) for one in ids)))

    return [
        DirectField(
            strawberry.field(
                declared,
                name="node",
                description="The row, command or event with this id. Null if there is none.",
            ),
            node,
            "Query",
        ),
        DirectField(
            strawberry.field(
                declared_many,
                name="nodes",
                description="The objects with these ids, in this order. Null where there is none.",
            ),
            nodes,
            "Query",
        ),
    ]
