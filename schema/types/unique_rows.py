"""The queries for a row by a unique key, such as `accountByOwnerCurrency`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from commander.domain import DefinitionError, Domain, Field, InvalidDecision, ProjectionType
from commander.domain.unique_rows import UniqueRows, unique_rows_of
from commander.resolvers.unique_rows import KeyedRow
from commander.resolvers.visible_rows import must_see
from commander.schema.context import Context
from commander.schema.names import camel
from commander.schema.types.direct_field import DirectField
from commander.schema.types.field_types import TypeMap
from commander.schema.types.read_your_writes import TIMEOUT, WAITING, AtLeast, TimeoutMs, reach


def unique_row_fields(
    type_: ProjectionType, row: Any, types: TypeMap, domain: Domain
) -> Iterator[DirectField]:
    """The fields of Query for rows of this type. Raises DefinitionError for a name of the API."""
    for rows in unique_rows_of(domain, type_):
        for column in rows.columns:
            if (name := column.graphql_name) in WAITING:
                problem = f"the name {name} is taken by an argument of the API; rename the field"
                raise DefinitionError(type_.where, f"{rows.query}: {problem}")
        yield _by_unique_key(rows, row, types)


def _by_unique_key(rows: UniqueRows, row: Any, types: TypeMap) -> DirectField:
    type_, rule, columns = rows.projection, rows.rule, rows.columns

    def declared(at_least: AtLeast = None, timeout_ms: TimeoutMs = TIMEOUT) -> Any: ...

    declared.__annotations__["return"] = row | None

    async def resolve(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        context = info.context
        must_see(context.rights, type_, columns, rows.query)
        await reach(info, type_, given)
        try:
            key = rule.key_of(*(given[column.graphql_name] for column in columns))
        except InvalidDecision:
            return None  # no state has such a key: its command would fail
        if key is None:
            return None
        asked = KeyedRow(type_.name, rule.stored_name, key)
        return await context.batching.rows_by_unique_keys.load(asked)

    shown = ", ".join(f"`{column.graphql_name}`" for column in columns)
    description = (
        f"The `{camel(type_.query)}` whose stream has this unique key now: {shown}. Null if there is none."
    )
    field = strawberry.field(declared, name=rows.query, description=description)
    field.arguments = [*(_argument(column, types) for column in columns), *field.arguments]
    return DirectField(field, resolve, "Query")


def _argument(column: Field, types: TypeMap) -> StrawberryArgument:
    type_ = types.annotation(replace(column, optional=False), is_input=True)
    return StrawberryArgument(
        column.name,
        column.graphql_name,
        StrawberryAnnotation(type_),
        description=column.description or f"The `{column.graphql_name}` of the key.",
    )
