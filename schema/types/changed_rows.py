"""The rows that a command has changed: fields of CommandApplied, for projections with rows of one stream."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types import Info

from commander.domain import AggregateType, DefinitionError, ProjectionType
from commander.domain.time_travel import key_of_row
from commander.schema.context import Context
from commander.schema.names import camel
from commander.schema.types.read_your_writes import links_show

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RowType:
    """A projection, the GraphQL type of its rows, and the aggregate whose streams give them."""

    projection: ProjectionType
    graphql: Any
    aggregate: AggregateType

    @property
    def field(self) -> str:
        return camel(self.projection.query)


class ChangedRows:
    """The fields of one schema. taken: the names that CommandApplied has already.

    Raises DefinitionError for a projection whose query has one of these names.
    """

    def __init__(self, rows: Sequence[RowType], taken: Collection[str]) -> None:
        self._projections = {one.field: one.projection.name for one in rows}
        self.namespace: dict[str, Any] = {}
        for one in rows:
            if one.field in taken:
                problem = f"the name {one.field} is taken in CommandApplied; rename the projection"
                raise DefinitionError(one.projection.where, problem)
            self.namespace[f"{one.field}_"] = _field(one)

    def projections(self, selected: Collection[str]) -> frozenset[str]:
        """The names of the projections whose fields are among these names."""
        if not selected:
            return _NONE
        return frozenset(name for field, name in self._projections.items() if field in selected)


def _field(of: RowType) -> Any:
    prefix = f"{of.aggregate.stored_name}-"

    async def resolve(root: Any, info: Info[Context, None]) -> Any:
        if not root.stream.startswith(prefix):
            return None
        key = key_of_row(of.projection, root.stream)
        links_show(info.context, info.path, root.position)
        return await info.context.batching.rows.load((of.projection.name, key))

    resolve.__annotations__["return"] = of.graphql | None
    description = (
        f"The row of `{of.field}` for the stream of the command, as it is now. The mutation waits until it "
        "shows the events of the command. If it does not in time, the outcome is CommandPending. "
        "Null if the command is decided on a stream of another aggregate, or if there is no such row."
    )
    return strawberry.field(resolve, name=of.field, description=description)
