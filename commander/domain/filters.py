"""Filters and sort orders for rows and events. They mean the same in SQL and for an object in memory.

Only SQL can follow a link to a row of another projection: see `Linked`.

A filter is true or false, never null: a comparison with null is false, and its negation is true. So `not` and
`ne` give exactly the other rows. Text is compared by code points. Nulls come last, NaN before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from commander.domain.fields import Field

Place = tuple[Any, ...]
"""A place in an order: the values of the order's fields. No row needs to have them."""


class Operator(Enum):
    """How a column is compared with the value of a condition. The values are the names in GraphQL."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "notIn"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    STARTS_WITH = "startsWith"
    IS_NULL = "isNull"


@dataclass(frozen=True)
class Condition:
    """A comparison of a field. value: of the field's type; a tuple for IN and NOT_IN; a bool for IS_NULL."""

    field: Field
    operator: Operator
    value: Any


@dataclass(frozen=True)
class AllOf:
    """True if every part is true; without parts always."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """True if at least one part is true; without parts never."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class Not:
    part: Filter


@dataclass(frozen=True)
class Linked:
    """True if `field` holds the key of a row that matches `part`. False if there is no such row.

    projection: the stored name of the projection of that row. key: the field that is its key.
    """

    field: Field
    projection: str
    key: Field
    part: Filter


Filter = Condition | AllOf | AnyOf | Not | Linked
EVERY_ROW = AllOf()
NO_ROW = AnyOf()


class NotInMemory(Exception):
    """A filter follows a link, so a row in memory does not show whether it matches."""


@dataclass(frozen=True)
class Order:
    """A sort order. fields: the last one is the key, so two rows never have the same place.

    descending: applies to all fields.
    """

    fields: tuple[Field, ...]
    descending: bool = False

    @property
    def reversed(self) -> Order:
        return Order(self.fields, not self.descending)

    def place_of(self, row: Any) -> Place:
        """The place of a row in this order."""
        return tuple(getattr(row, field.name) for field in self.fields)

    def sorted(self, rows: Iterable[Any]) -> list[Any]:
        """The rows in this order."""
        return sorted(
            rows,
            key=lambda row: [_comparable(value) for value in self.place_of(row)],
            reverse=self.descending,
        )

    def is_before(self, place: Place, other: Place) -> bool:
        """Whether a row at `place` comes before one at `other`."""
        first, second = [_comparable(value) for value in place], [_comparable(value) for value in other]
        return first > second if self.descending else first < second


def matches(where: Filter, row: Any) -> bool:
    """Whether a row in memory matches. The result is the same as that of the SQL.

    Raises NotInMemory for a filter that follows a link.
    """
    match where:
        case AllOf(parts):
            return all(matches(part, row) for part in parts)
        case AnyOf(parts):
            return any(matches(part, row) for part in parts)
        case Not(part):
            return not matches(part, row)
        case Condition(field, operator, value):
            return _holds(getattr(row, field.name), operator, value)
        case Linked(field):
            raise NotInMemory(f"the row in memory does not have the row that {field.name} leads to")


def projections_of(where: Filter) -> frozenset[str]:
    """The projections that the links of a filter lead to, by their stored names."""
    match where:
        case AllOf(parts) | AnyOf(parts):
            return frozenset().union(*map(projections_of, parts))
        case Not(part):
            return projections_of(part)
        case Linked(_, projection, _, part):
            return projections_of(part) | {projection}
    return frozenset()


def simplified(where: Filter, known: Mapping[str, Any]) -> Filter:
    """The filter for rows whose columns have known values. known: the values by column name."""
    match where:
        case AllOf(parts):
            return AllOf(tuple(simplified(part, known) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(simplified(part, known) for part in parts))
        case Not(part):
            return Not(simplified(part, known))
        case Condition(field, operator, value) if field.name in known:
            return EVERY_ROW if _holds(known[field.name], operator, value) else NO_ROW
    return where


def reduced(where: Filter) -> Filter:
    """The same filter without the parts that do not count: EVERY_ROW or NO_ROW if it is the same as that."""
    match where:
        case AllOf(parts):
            return _reduced_parts(parts, AllOf, EVERY_ROW, NO_ROW)
        case AnyOf(parts):
            return _reduced_parts(parts, AnyOf, NO_ROW, EVERY_ROW)
        case Not(part):
            inner = reduced(part)
            if inner == EVERY_ROW:
                return NO_ROW
            return EVERY_ROW if inner == NO_ROW else Not(inner)
        case Condition(_, Operator.IN, ()):
            return NO_ROW
        case Condition(_, Operator.NOT_IN, ()):
            return EVERY_ROW
    return where


def _reduced_parts(
    parts: tuple[Filter, ...], joined: type[AllOf] | type[AnyOf], without: Filter, decides: Filter
) -> Filter:
    """without: the part that does not count. decides: the part that alone is the result."""
    kept = [part for part in dict.fromkeys(map(reduced, parts)) if part != without]
    if decides in kept:
        return decides
    return kept[0] if len(kept) == 1 else joined(tuple(kept))


def _holds(found: Any, operator: Operator, value: Any) -> bool:
    match operator:
        case Operator.IS_NULL:
            return (found is None) is value
        case Operator.NE:
            return not _holds(found, Operator.EQ, value)
        case Operator.NOT_IN:
            return not _holds(found, Operator.IN, value)
    if found is None:
        return False
    match operator:
        case Operator.IN:
            return _comparable(found) in {_comparable(one) for one in value}
        case Operator.STARTS_WITH:
            return str(found).startswith(value)
    return _COMPARE[operator](_comparable(found), _comparable(value))


_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda found, value: bool(found == value),
    Operator.LT: lambda found, value: bool(found < value),
    Operator.LTE: lambda found, value: bool(found <= value),
    Operator.GT: lambda found, value: bool(found > value),
    Operator.GTE: lambda found, value: bool(found >= value),
}


def _comparable(value: Any) -> tuple[int, Any]:
    """A value that compares as in Postgres: NaN is equal to itself, and NaN and null come last."""
    if value is None:
        return (2, 0)
    if isinstance(value, Enum):
        return (0, value.name)
    if (isinstance(value, float) and value != value) or (isinstance(value, Decimal) and value.is_nan()):
        return (1, 0)
    return (0, value)
