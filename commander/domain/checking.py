"""Checks the values of a command or an event against the types and constraints of its fields."""

from __future__ import annotations

import math
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from commander.domain.constraints import first_broken
from commander.domain.errors import Problem
from commander.domain.fields import Field, FieldType, ListType, RecordType


def problems_of(fields: tuple[Field, ...], value: Any, path: tuple[str, ...] = ()) -> list[Problem]:
    """Every problem in `value`, a dataclass with these fields. path: where `value` itself stands."""
    problems: list[Problem] = []
    for field in fields:
        if field.always_usable:
            continue
        item = getattr(value, field.name)
        if item is None:
            continue
        if field.is_plain and _surely_usable(item):
            if field.constraints:
                problems += _broken(field.constraints, item, (*path, field.name))
        else:
            problems += _problems(field.type, field.constraints, item, (*path, field.name))
    return problems


def _problems(
    type_: FieldType, constraints: tuple[Any, ...], value: Any, path: tuple[str, ...]
) -> list[Problem]:
    return _unusable(type_, value, path) or _broken(constraints, value, path)


def _broken(constraints: tuple[Any, ...], value: Any, path: tuple[str, ...]) -> list[Problem]:
    broken = first_broken(constraints, value)
    return [] if broken is None else [Problem(path, broken)]


def _unusable(type_: FieldType, value: Any, path: tuple[str, ...]) -> list[Problem]:
    """The problems of the value itself: JSON or Postgres cannot store it without a change."""
    match type_:
        case RecordType(_, fields):
            return problems_of(fields, value, path)
        case ListType(_, item_type, _, constraints):
            return [
                problem
                for index, item in enumerate(value)
                if item is not None
                for problem in _problems(item_type, constraints, item, (*path, str(index)))
            ]
    unusable = unusable_scalar(value)
    return [] if unusable is None else [Problem(path, unusable)]


def _surely_usable(value: Any) -> bool:
    """A fast check that accepts most valid values. False means: run the full check."""
    kind = type(value)
    if kind is Decimal:
        return bool(value.is_finite())
    return kind is str and value.isascii() and "\0" not in value


def unusable_scalar(value: Any) -> str | None:
    """Why a field cannot store this value, whatever its constraints are; None if it can."""
    if isinstance(value, str):
        return _unusable_text(value)
    if isinstance(value, Decimal):
        return None if value.is_finite() else f"must be a finite number, got {value}"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"must be a finite number, got {value}"
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**63 else f"must fit into 64 bits, got {value}"
    if isinstance(value, datetime):
        return _unusable_moment(value)
    if isinstance(value, time):
        return None if value.tzinfo is None else "must not have a time zone"
    return None


def _unusable_text(text: str) -> str | None:
    if "\0" in text:
        return "must not contain the character NUL"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"is not valid Unicode: a lone surrogate at index {error.start}"
    return None


def _unusable_moment(moment: datetime) -> str | None:
    offset = moment.utcoffset()
    if offset is None:
        return "must have a time zone"
    if offset.total_seconds() % 60:
        return f"must have a UTC offset of whole minutes, got {offset}"
    return None
