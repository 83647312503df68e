"""Which rows are found by a unique key.

A unique key tells a stream. The rows of a projection are found by it if

- the key of the projection has the name and the type of the aggregate's key. If several aggregates have such
  a key, it is the one whose events the projection handles,
- a row has the fields of the unique key as columns, of the same types. So who does not see one of these
  columns is not told by which key a row is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from commander.domain.aggregates import AggregateType
from commander.domain.domain import Domain
from commander.domain.fields import Field
from commander.domain.messages import registered
from commander.domain.names import camel
from commander.domain.projections import ProjectionType
from commander.domain.unique import UniqueRule


@dataclass(frozen=True)
class UniqueRows:
    """The rows of a projection by a unique key. columns: those of the key, in the order of its fields."""

    projection: ProjectionType
    rule: UniqueRule
    columns: tuple[Field, ...]

    @property
    def query(self) -> str:
        """The name of the query, such as accountByOwnerCurrency."""
        rule = camel(self.rule.name)
        return f"{camel(self.projection.query)}By{rule[0].upper()}{rule[1:]}"


def unique_rows_of(domain: Domain, projection: ProjectionType) -> list[UniqueRows]:
    """The unique keys by which rows of this projection are found. Call `domain.check()` before."""
    aggregate = _aggregate_of(domain, projection)
    return [] if aggregate is None else list(_found_by(projection, aggregate))


def _found_by(projection: ProjectionType, aggregate: AggregateType) -> Iterator[UniqueRows]:
    columns = {field.name: field for field in projection.fields}
    for rule in aggregate.unique:
        found = tuple(columns[name] for name in rule.fields if name in columns)
        if rule.fields and tuple(column.type for column in found) == rule.types:
            yield UniqueRows(projection, rule, found)


def _aggregate_of(domain: Domain, projection: ProjectionType) -> AggregateType | None:
    """The aggregate whose key the rows have; None if none has it, or if it is not clear which one."""
    found = [one for one in domain.aggregates.values() if _has_key(domain, one, projection.key_field)]
    if len(found) > 1:
        owners = {domain.aggregate_of_event(registered(event).name).name for event in projection.handlers}
        found = [one for one in found if one.name in owners]
    return found[0] if len(found) == 1 else None


def _has_key(domain: Domain, aggregate: AggregateType, key: Field) -> bool:
    types = [field.type for field in domain.key_fields_of(aggregate)]
    return aggregate.key == key.name and bool(types) and all(type_ == key.type for type_ in types)
