"""Links from rows to objects of other subgraphs: a column with an Entity holds the key of one.

The type of such an object has its key only. A gateway reads the other fields where the object is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import strawberry
from graphql import GraphQLResolveInfo

from commander.domain import DefinitionError, Entity, Field, ProjectionType
from commander.schema.context import Context
from commander.schema.types.direct_field import DirectField
from commander.schema.types.field_types import TypeMap


class _Made(NamedTuple):
    graphql: Any
    key: Field


class OtherEntities:
    """The types of other subgraphs' objects in one schema. Each is made once."""

    def __init__(self, types: TypeMap) -> None:
        self._types = types
        self._made: dict[str, _Made] = {}

    @property
    def keys(self) -> dict[str, str]:
        """The key of each, by the name of its type."""
        return {name: made.key.name for name, made in self._made.items()}

    def links(self, name: str, type_: ProjectionType) -> Iterator[DirectField]:
        """The links of a row. name: of its type. Raises DefinitionError for two keys of one type."""
        for column in type_.fields:
            if column.entity is not None:
                yield self._link(name, column, column.entity, type_.where)

    def _link(self, name: str, column: Field, entity: Entity, where: str) -> DirectField:
        made = self._of(entity, column, where)

        def declared() -> Any: ...

        # Always nullable: a row is shown although the object is gone, or the other subgraph is away.
        declared.__annotations__["return"] = made.graphql | None

        def resolve(row: Any, _info: GraphQLResolveInfo[Context], /) -> Any | None:
            key = getattr(row, column.name)
            return None if key is None else made.graphql(**{made.key.name: key})

        description = f"The object of another subgraph whose `{entity.key}` is the `{column.graphql_name}`."
        return DirectField(
            strawberry.field(declared, name=entity.name, description=description), resolve, name
        )

    def _of(self, entity: Entity, column: Field, where: str) -> _Made:
        key = replace(
            column,
            name=entity.key,
            optional=False,
            required=True,
            doc="The key.",
            deprecated=None,
            entity=None,
        )
        made = self._made.get(entity.type)
        if made is None:
            about = "An object of another subgraph, by its key."
            graphql = self._types.object_type(entity.type, (key,), where=where, description=about)
            made = self._made[entity.type] = _Made(graphql, key)
        if (made.key.name, made.key.type) != (key.name, key.type):
            problem = f"{entity.type}.{made.key.name} is of another name or type elsewhere in this domain"
            raise DefinitionError(where, f"{column.name}: {problem}")
        return made
