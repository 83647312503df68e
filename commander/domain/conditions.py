"""`where`: a condition on the fields of a row or an event, as a domain's author writes it in a rule.

    where(owner=viewer.subject) & ~where(status=one_of(Status.CLOSED, Status.FROZEN))

It becomes a filter (filters.py) when it is resolved for a viewer. So it means the same in SQL and in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commander.domain.checking import of_another_type, unusable_scalar
from commander.domain.errors import RuleFailed
from commander.domain.fields import EnumType, Field, ScalarType
from commander.domain.filters import NO_ROW, AllOf, AnyOf, Condition, Filter, Not, Operator, reduced


class Where(ABC):
    """A condition. Combine conditions with &, | and ~."""

    def __and__(self, other: Where) -> Where:
        return _Joined(AllOf, (self, other)) if isinstance(other, Where) else NotImplemented

    def __or__(self, other: Where) -> Where:
        return _Joined(AnyOf, (self, other)) if isinstance(other, Where) else NotImplemented

    def __invert__(self) -> Where:
        return _Opposite(self)

    def __bool__(self) -> bool:
        raise TypeError("a condition is neither true nor false: combine conditions with &, | and ~")

    def filter(self, fields: Mapping[str, Field], label: str) -> Filter:
        """The filter over these fields, by name. label: what it is of, for errors.

        Raises RuleFailed for a field that does not exist, and for a value of another type.
        """
        return reduced(self._filter(fields, label))

    @abstractmethod
    def _filter(self, fields: Mapping[str, Field], label: str) -> Filter: ...


@dataclass(frozen=True)
class OneOf:
    """Any of these values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class _Equal(Where):
    name: str
    value: Any

    def _filter(self, fields: Mapping[str, Field], label: str) -> Filter:
        field = fields.get(self.name)
        if field is None:
            raise RuleFailed(f"{label} has no field {self.name}, which where() names")
        at_field = f"{label}.{self.name}"
        if not isinstance(field.type, ScalarType | EnumType):
            raise RuleFailed(f"{at_field}: a list or a value object cannot be compared in where()")
        if not isinstance(self.value, OneOf):
            [*stored] = _stored(field, self.value, at_field)
            return Condition(field, Operator.EQ, stored[0]) if stored else NO_ROW
        values = dict.fromkeys(v for one in self.value.values for v in _stored(field, one, at_field))
        return Condition(
            field, Operator.IN, tuple(sorted(values, key=repr))
        )  # the same set is the same filter


@dataclass(frozen=True)
class _Joined(Where):
    by: type[AllOf] | type[AnyOf]
    parts: tuple[Where, ...]

    def _filter(self, fields: Mapping[str, Field], label: str) -> Filter:
        return self.by(tuple(part._filter(fields, label) for part in self.parts))


@dataclass(frozen=True)
class _Opposite(Where):
    part: Where

    def _filter(self, fields: Mapping[str, Field], label: str) -> Filter:
        return Not(self.part._filter(fields, label))


def where(**fields: Any) -> Where:
    """The condition that each of these fields has its value: `where(owner=viewer.subject, closed=False)`.

    A value of None is never equal: `where(owner=viewer.subject)` is false for a viewer who is not signed in,
    also where the owner is null. For an id, its text is taken too. `one_of(…)` is for several values.
    Raises TypeError without a field.
    """
    if not fields:
        raise TypeError("where() needs a field, such as where(owner=viewer.subject); for all write anyone")
    parts = tuple(_Equal(name, value) for name, value in fields.items())
    return parts[0] if len(parts) == 1 else _Joined(AllOf, parts)


def one_of(*values: Any) -> OneOf:
    """Any of these values, in `where`. Without values, the condition is false."""
    return OneOf(values)


def _stored(field: Field, value: Any, at_field: str) -> tuple[Any, ...]:
    """The value as a field holds it; empty if no field can. Raises RuleFailed for a value of another type."""
    if value is None:
        return ()
    if isinstance(value, str) and field.type.python is UUID:
        return _id_of(value)
    if (wrong := of_another_type(field.type, value)) is not None:
        raise RuleFailed(f"{at_field} in where() {wrong}")
    return () if unusable_scalar(value) is not None else (value,)


def _id_of(text: str) -> tuple[UUID, ...]:
    """The id with exactly this text: two viewers with different subjects are never the same id."""
    try:
        made = UUID(text)
    except ValueError:
        return ()
    return (made,) if str(made) == text else ()
