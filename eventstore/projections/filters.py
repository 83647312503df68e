"""Which rows of a projection are wanted, and in which order: said once, for SQL and for a row in memory.

A filter has two values: a comparison with null is false, and its negation true, so that `not` and `ne` give
all the other rows. Text compares by its characters' numbers, null comes after everything, NaN before null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from commander.domain import Field

Place = tuple[Any, ...]
"""Where a row stands in an order: its values of the order's fields. Nothing else of it need exist."""


class Operator(Enum):
    """How a column's value is held against that of a condition; in GraphQL under the same name."""

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
    """value: one of the field's type; a tuple of such for IN and NOT_IN; a bool for IS_NULL."""

    field: Field
    operator: Operator
    value: Any


@dataclass(frozen=True)
class AllOf:
    """Every part holds; without parts, any row."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """One of the parts holds; without parts, no row."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class Not:
    part: Filter


Filter = Condition | AllOf | AnyOf | Not
EVERY_ROW = AllOf()
NO_ROW = AnyOf()


@dataclass(frozen=True)
class Order:
    """fields: the last of them is the key, so no two rows are at one place. All go the same way."""

    fields: tuple[Field, ...]
    descending: bool = False

    @property
    def reversed(self) -> Order:
        return Order(self.fields, not self.descending)

    def place_of(self, row: Any) -> Place:
        return tuple(getattr(row, field.name) for field in self.fields)

    def is_before(self, place: Place, other: Place) -> bool:
        """Whether a row at `place` comes before one at `other`."""
        first, second = [_comparable(value) for value in place], [_comparable(value) for value in other]
        return first > second if self.descending else first < second


def matches(where: Filter, row: Any) -> bool:
    """Whether a row in memory is one of those that SQL would find."""
    match where:
        case AllOf(parts):
            return all(matches(part, row) for part in parts)
        case AnyOf(parts):
            return any(matches(part, row) for part in parts)
        case Not(part):
            return not matches(part, row)
        case Condition(field, operator, value):
            return _holds(getattr(row, field.name), operator, value)


def among(where: Filter, known: Mapping[str, Any]) -> Filter:
    """What is left of a filter for rows of which these columns, by their names, have these values."""
    match where:
        case AllOf(parts):
            return AllOf(tuple(among(part, known) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(among(part, known) for part in parts))
        case Not(part):
            return Not(among(part, known))
        case Condition(field, operator, value) if field.name in known:
            return EVERY_ROW if _holds(known[field.name], operator, value) else NO_ROW
    return where


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
    """A value as Postgres orders it: with NaN, which is equal to itself, and null at the end."""
    if value is None:
        return (2, 0)
    if isinstance(value, Enum):
        return (0, value.name)
    if (isinstance(value, float) and value != value) or (isinstance(value, Decimal) and value.is_nan()):
        return (1, 0)
    return (0, value)
