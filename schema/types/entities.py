"""The fields of Query that a gateway of Apollo Federation asks: `_service` and `_entities`.

`_entities` reads rows by their keys, as `node` does: one statement for each projection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NewType, Union

import strawberry
from graphql import GraphQLObjectType, GraphQLResolveInfo, Undefined
from graphql.utilities import coerce_input_value
from strawberry.types import Info
from strawberry.types.scalar import ScalarDefinition

from commander.domain import ProjectionType
from commander.domain.errors import InvalidRequest
from commander.schema.context import Context
from commander.schema.types.direct_field import DirectField
from commander.schema.types.for_operators import FOR_OPERATORS
from commander.schema.types.node import is_key
from commander.schema.types.read_your_writes import reach_by_link

Representation = NewType("Representation", object)
REPRESENTATION: Mapping[object, ScalarDefinition] = {
    Representation: strawberry.scalar(
        name="_Any",
        description="The type and the key of an object: `{__typename, …}`.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    )
}
"""The scalar that only a subgraph has."""
_ARGUMENT = "representations"


@dataclass(frozen=True)
class EntityType:
    """A projection, and the GraphQL type of its rows with its name."""

    projection: ProjectionType
    name: str
    graphql: Any

    @property
    def key(self) -> str:
        return self.projection.key_field.graphql_name


@strawberry.type(name="_Service", description="What a gateway must know of this subgraph.")
class Service:
    sdl: str = strawberry.field(description="The schema as text, with the directives of Apollo Federation.")


def service_field(sdl: Callable[[Context], str]) -> Any:
    """`_service`. sdl: raises an error for who may not see the schema."""

    def service(info: Info[Context, None]) -> Service:
        return Service(sdl=sdl(info.context))

    description = "The schema of this subgraph, for a gateway. Only for those who may introspect."
    return strawberry.field(service, name="_service", description=description, metadata=FOR_OPERATORS)


def entities_field(entities: Sequence[EntityType]) -> DirectField:
    """`_entities`. A key of no row is null. A representation of another form is an error in its place."""
    by_name = {one.name: one for one in entities}
    union = strawberry.union("_Entity", description="A row that a gateway finds by its key.")
    types: Any = Union[tuple(one.graphql for one in entities)]  # noqa: UP007  # made at run time

    def declared(representations: list[Representation]) -> Any: ...

    declared.__annotations__["return"] = list[Annotated[types, union] | None]

    async def resolve(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> list[Any]:
        context, representations = info.context, given[_ARGUMENT]
        context.size.allow(len(representations))
        read = [_read(by_name, info, one) for one in representations]
        for entity in {one[0].name: one[0] for one in read if isinstance(one, tuple)}.values():
            await reach_by_link(info, entity.projection)
        found = asyncio.gather(*(_row(context, *one) for one in read if isinstance(one, tuple)))
        rows = iter(await found)
        return [next(rows) if isinstance(one, tuple) else one for one in read]

    description = "The rows with these keys, in this order. Null where there is none. Only for a gateway."
    return DirectField(
        strawberry.field(declared, name="_entities", description=description), resolve, "Query"
    )


async def _row(context: Context, entity: EntityType, key: Any) -> Any | None:
    name = entity.projection.name
    return await context.batching.rows.load((name, key)) if is_key(entity.projection, key) else None


def _read(
    entities: Mapping[str, EntityType], info: GraphQLResolveInfo[Context], given: Any
) -> tuple[EntityType, Any] | InvalidRequest:
    """The entity and the key of a representation, or what is wrong with it."""
    if not isinstance(given, Mapping) or not isinstance(name := given.get("__typename"), str):
        return InvalidRequest(_ARGUMENT, "each must be an object with a __typename")
    entity, known = entities.get(name), info.context.known
    if entity is None or (known is not None and name not in known.type_map):
        return InvalidRequest(_ARGUMENT, f"{name!r:.100} is not an entity of this subgraph")
    type_ = info.schema.get_type(name)
    assert isinstance(type_, GraphQLObjectType), "a row has an object type"
    field = type_.fields[entity.key]
    key = coerce_input_value(given.get(entity.key), field.type)
    if key is Undefined:
        problem = f"{name}.{entity.key} must be a {field.type}, got {given.get(entity.key)!r:.100}"
        return InvalidRequest(_ARGUMENT, problem)
    return entity, key
