"""The rows and the fields of rows that a viewer sees. Without rights (authentication is off) it sees all.

Whatever reads rows for an answer passes here: lists and what is counted by `narrowed`, rows by `visible`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TypeVar

from commander.domain import Field, ProjectionType, Rights
from commander.domain.errors import Forbidden
from commander.domain.filters import EVERY_ROW, AllOf, AnyOf, Condition, Filter, Linked, Not, matches, reduced

R = TypeVar("R")


def visible(rights: Rights | None, type_: ProjectionType, row: R | None) -> R | None:
    """The row as the viewer sees it: None if it sees no such row; a field that it does not see is None."""
    if rights is None or row is None:
        return row
    return masked(rights, type_, row) if matches(rights.row_filter(type_), row) else None


def masked(rights: Rights | None, type_: ProjectionType, row: R | None) -> R | None:
    """A visible row, without the values of the fields that the viewer does not see."""
    if rights is None or row is None or not (hidden := rights.hidden(type_)):
        return row
    shown = copy.copy(row)
    for name in hidden:
        object.__setattr__(shown, name, None)
    return shown


def narrowed(
    rights: Rights | None,
    type_: ProjectionType,
    where: Filter,
    projections: Mapping[str, ProjectionType],
) -> Filter:
    """The filter for those of the matching rows that the viewer sees. A link leads to visible rows only.

    projections: by stored name. Raises Forbidden if the filter has a field that the viewer does not see.
    """
    if rights is None:
        return where
    return reduced(AllOf((_checked(rights, type_, where, projections), rights.row_filter(type_))))


def must_see(rights: Rights | None, type_: ProjectionType, fields: Iterable[Field], argument: str) -> None:
    """Raises Forbidden if the viewer does not see one of the fields, by which an argument selects or orders.

    Which rows an answer has, or in which order, would tell their values.
    """
    if rights is None:
        return
    hidden = rights.hidden(type_)
    for field in fields:
        if field.name in hidden:
            raise Forbidden(f"{argument}: you may not see {field.graphql_name} of {type_.query}")


def row_filter(rights: Rights | None, type_: ProjectionType) -> Filter:
    """The rows of a projection that the viewer sees."""
    return EVERY_ROW if rights is None else rights.row_filter(type_)


def sees_every_row(rights: Rights | None, type_: ProjectionType) -> bool:
    """Whether the viewer sees all rows of a projection."""
    return row_filter(rights, type_) == EVERY_ROW


def _checked(
    rights: Rights, type_: ProjectionType, where: Filter, projections: Mapping[str, ProjectionType]
) -> Filter:
    def each(parts: tuple[Filter, ...]) -> tuple[Filter, ...]:
        return tuple(_checked(rights, type_, part, projections) for part in parts)

    match where:
        case AllOf(parts):
            return AllOf(each(parts))
        case AnyOf(parts):
            return AnyOf(each(parts))
        case Not(part):
            return Not(_checked(rights, type_, part, projections))
        case Linked(field, projection, key, part):
            must_see(rights, type_, (field,), "where")
            return Linked(
                field, projection, key, narrowed(rights, projections[projection], part, projections)
            )
        case Condition(field):
            must_see(rights, type_, (field,), "where")
    return where
