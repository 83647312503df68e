"""`where` and `orderBy` of a projection: their input types, made from its columns, and reading their values.

Queries and live rows both read `where` here, so a filter has the same meaning in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField

from commander.domain import DefinitionError, Field, ProjectionType
from commander.domain.checking import unusable_scalar
from commander.domain.errors import InvalidRequest
from commander.domain.fields import EnumType, ScalarType
from commander.domain.filters import AllOf, AnyOf, Condition, Filter, Not, Operator
from commander.domain.links import Link
from commander.resolvers.links import leading_to
from commander.schema.names import camel, capitalized
from commander.schema.types.field_types import TypeMap
from commander.schema.types.scalars import SCALARS

MAX_DEPTH = 8
"""The deepest nesting of `and`, `or` and `not`."""
MAX_CONDITIONS = 100
"""The most conditions of a filter. Each object in it counts as a condition too."""
MAX_VALUES = 1000
"""The most values in all lists of a filter together."""
MAX_LINKS = 10
"""The most conditions on linked rows: below `or`, each can read all of the other table."""

_EQUALITY = (Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.IS_NULL)
_NAMES = {str: "String", bool: "Boolean", int: "Int", float: "Float"}


@strawberry.enum(description="The direction of an order.")
class OrderDirection(Enum):
    ASC = "ASC"
    """Ascending: the least first, nulls last."""
    DESC = "DESC"
    """Descending: the greatest first, nulls first."""


class ConditionTypes:
    """The input types for conditions on a column, one for each type of column."""

    def __init__(self, types: TypeMap) -> None:
        self._types = types
        self._made: dict[object, Any] = {}

    def of(self, field: Field, where: str) -> Any:
        python = field.type.python
        if python not in self._made:
            self._made[python] = self._make(field, where)
        return self._made[python]

    def _make(self, field: Field, where: str) -> Any:
        value = self._types.annotation(replace(field, optional=False), is_input=True)
        shown = _NAMES.get(field.type.python) or _scalar_name(field)
        annotations: dict[str, Any] = {}
        for operator in operators_of(field):
            match operator:
                case Operator.IN | Operator.NOT_IN:
                    annotations[operator.value] = list[value] | None  # type: ignore[valid-type]
                case Operator.IS_NULL:
                    annotations[operator.value] = bool | None
                case _:
                    annotations[operator.value] = value | None
        description = (
            "Conditions on a column. All given conditions must hold. Null matches only ne, notIn and isNull."
        )
        return _input(self._types, f"{shown}Condition", where, annotations, description)


class Where:
    """The filter of one projection.

    input: its GraphQL type. fields, links: the columns and the links that it has conditions on, by name.
    """

    def __init__(self, name: str, type_: ProjectionType, types: TypeMap, conditions: ConditionTypes) -> None:
        self.fields = {field.graphql_name: field for field in type_.filterable}
        self.links: dict[str, tuple[Link, Where]] = {}
        annotations = {
            shown: conditions.of(field, type_.where) | None for shown, field in self.fields.items()
        }
        description = "Selects rows. All given conditions must hold."
        deprecated = {shown: field.deprecated for shown, field in self.fields.items()}
        made = self.input = _input(
            types, f"{name}Where", type_.where, annotations, description, deprecated=deprecated
        )
        either: Any = list[made] | None  # type: ignore[valid-type]
        parts = {
            "and": (either, "All of these must hold."),
            "or": (either, "At least one of these must hold."),
        }
        parts["not"] = (made | None, "This must not hold.")
        for shown, (annotation, doc) in parts.items():  # a type cannot refer to itself before it exists
            field = StrawberryField(
                python_name=f"{shown}_",
                graphql_name=shown,
                type_annotation=StrawberryAnnotation(annotation),
                default=strawberry.UNSET,
                description=doc,
            )
            self.input.__strawberry_definition__.fields.append(field)

    def follow(self, link: Link, target: Where) -> None:
        """Adds conditions on the row that a link leads to, if the field that refers to it is filterable."""
        if link.field.graphql_name not in self.fields:
            return
        self.links[link.name] = (link, target)
        shown = camel(link.target.query)
        field = StrawberryField(
            python_name=f"{link.name}_",
            graphql_name=link.name,
            type_annotation=StrawberryAnnotation(target.input | None),
            default=strawberry.UNSET,
            description=f"Conditions on the `{shown}` that `{link.name}` leads to. False if there is none. A "
            "filter follows one link.",
            deprecation_reason=link.field.deprecated,
        )
        self.input.__strawberry_definition__.fields.append(field)

    def read(self, given: Mapping[str, Any] | None, argument: str = "where") -> Filter:
        """The filter for an input, as coerced by graphql-core.

        Raises InvalidRequest, with the path, for a filter that is too large, has a value that no column can
        hold, or follows a second link.
        """
        return _Reading().all_of(self, given or {}, argument, 0)


@dataclass
class _Reading:
    """Reads one filter and counts its conditions and values."""

    within: Link | None = None
    conditions: int = 0
    values: int = 0
    links: int = 0

    def all_of(self, where: Where, given: Mapping[str, Any], path: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise InvalidRequest(path, f"and, or and not may be nested at most {MAX_DEPTH} deep")
        self._count(path)
        parts: list[Filter] = []
        for name, value in given.items():
            here = f"{path}.{name}"
            match name:
                case _ if value is None:
                    raise _null(here)
                case "and" | "or":
                    parts.append(self._joined(where, name, value, here, depth + 1))
                case "not":
                    parts.append(Not(self.all_of(where, value, here, depth + 1)))
                case _ if name in where.links:
                    parts.append(self._through(*where.links[name], value, here, depth))
                case _:
                    parts += self._on(where.fields[name], value, here)
        return AllOf(tuple(parts))

    def _through(self, link: Link, target: Where, given: Mapping[str, Any], path: str, depth: int) -> Filter:
        if self.within is not None:
            raise InvalidRequest(path, f"a filter follows one link; it has followed {self.within.name}")
        self.links += 1
        if self.links > MAX_LINKS:
            raise InvalidRequest(path, f"a filter may follow a link at most {MAX_LINKS} times")
        self.within = link
        found = self.all_of(target, given, path, depth)
        self.within = None
        return leading_to(link, found)

    def _joined(
        self, where: Where, name: str, given: Sequence[Mapping[str, Any]], path: str, depth: int
    ) -> Filter:
        parts = tuple(self.all_of(where, one, f"{path}[{n}]", depth) for n, one in enumerate(given))
        return AllOf(parts) if name == "and" else AnyOf(parts)

    def _on(self, field: Field, given: Mapping[str, Any], path: str) -> list[Filter]:
        return [self._condition(field, Operator(name), one, f"{path}.{name}") for name, one in given.items()]

    def _condition(self, field: Field, operator: Operator, given: Any, path: str) -> Condition:
        self._count(path)
        if given is None:
            raise _null(path)
        if operator not in (Operator.IN, Operator.NOT_IN):
            _check(given, path)
            return Condition(field, operator, given)
        self.values += len(given)
        if self.values > MAX_VALUES:
            raise InvalidRequest(path, f"the lists of a filter may have at most {MAX_VALUES} values together")
        for n, one in enumerate(given):
            _check(one, f"{path}[{n}]")
        return Condition(field, operator, tuple(given))

    def _count(self, path: str) -> None:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise InvalidRequest(path, f"a filter may have at most {MAX_CONDITIONS} conditions")


def operators_of(field: Field) -> Sequence[Operator]:
    """The operators for a column. Ids, enums and booleans have no meaningful order."""
    python = field.type.python
    if isinstance(field.type, EnumType) or python in (bool, UUID):
        return _EQUALITY
    return [operator for operator in Operator if python is str or operator is not Operator.STARTS_WITH]


def order_input(name: str, type_: ProjectionType, types: TypeMap) -> Any:
    """The input of `orderBy`: the columns that have an index, as an enum of their names."""
    names = list(dict.fromkeys(field.name for order in type_.orders for field in order))
    shown = [column.upper() for column in names]
    if len(set(shown)) < len(shown):
        raise DefinitionError(
            type_.where, f"the columns {', '.join(names)} must differ in more than upper and lower case"
        )
    types.claim(f"{name}Column", type_.where)
    values = {
        one: strawberry.enum_value(column, deprecation_reason=type_.field(column).deprecated)
        for one, column in zip(shown, names, strict=True)
    }
    columns: Any = Enum(f"{name}Column", values)  # type: ignore[misc]
    column = strawberry.enum(columns, description="A column that a list can be ordered by: it has an index.")
    description = "A column and a direction. Several columns must be the columns of one index, in its order."
    made = _input(types, f"{name}Order", type_.where, {"column": column}, description, required=True)
    direction = StrawberryField(
        python_name="direction",
        graphql_name="direction",
        type_annotation=StrawberryAnnotation(OrderDirection),
        default=OrderDirection.ASC,
    )
    made.__strawberry_definition__.fields.append(direction)
    return made


def read_order(given: Sequence[Mapping[str, Any]] | None) -> list[tuple[str, bool]]:
    """The columns of `orderBy`, as coerced by graphql-core, each with whether it is descending."""
    return [(one["column"].value, one["direction"] is OrderDirection.DESC) for one in given or ()]


def _input(
    types: TypeMap,
    name: str,
    where: str,
    annotations: Mapping[str, Any],
    description: str,
    *,
    required: bool = False,
    deprecated: Mapping[str, str | None] | None = None,
) -> Any:
    """An input type of fields by their GraphQL names. In Python each ends with _: one is named `in`."""
    types.claim(name, where)
    namespace: dict[str, Any] = {
        "__annotations__": {f"{shown}_": annotation for shown, annotation in annotations.items()},
        "__module__": __name__,
    }
    for shown in annotations:
        reason = (deprecated or {}).get(shown)
        namespace[f"{shown}_"] = (
            strawberry.field(name=shown)
            if required
            else strawberry.field(name=shown, default=strawberry.UNSET, deprecation_reason=reason)
        )
    return strawberry.input(type(name, (), namespace), name=name, description=description)


def _scalar_name(field: Field) -> str:
    python = field.type.python
    return SCALARS[python].name if isinstance(field.type, ScalarType) else capitalized(python.__name__)


def _check(value: Any, path: str) -> None:
    if problem := unusable_scalar(value):
        raise InvalidRequest(path, problem)


def _null(path: str) -> InvalidRequest:
    return InvalidRequest(path, "must not be null: omit it, or use isNull")
