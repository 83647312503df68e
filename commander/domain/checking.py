"""Checks the values of a command or an event against the types and constraints of its fields."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from commander.domain.constraints import first_broken
from commander.domain.errors import Problem
from commander.domain.fields import BigInt, EnumType, Field, FieldType, ListType, RecordType, ScalarType

_INT = -(2**31)


def problems_of(fields: tuple[Field, ...], value: Any, path: tuple[str, ...] = ()) -> list[Problem]:
    """Every problem in `value`, a dataclass with these fields. path: where `value` itself stands."""
    problems: list[Problem] = []
    for field in fields:
        item = getattr(value, field.name, None)
        if item is None:
            if not field.optional:
                problems.append(Problem((*path, field.name), "must not be None"))
        elif type(item) is field.python and (field.always_usable or _surely_usable(item)):
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
    if (wrong := of_another_type(type_, value)) is not None:
        return [Problem(path, wrong)]
    match type_:
        case RecordType(_, fields):
            return problems_of(fields, value, path)
        case ListType(_, item_type, optional, constraints):
            return [
                problem
                for index, item in enumerate(value)
                if item is not None or not optional
                for problem in _problems(item_type, constraints, item, (*path, str(index)))
            ]
        case ScalarType(python) if python is int and not _INT <= value < -_INT:
            return [Problem(path, f"must fit into 32 bits (a BigInt has 64), got {value}")]
    unusable = unusable_scalar(value)
    return [] if unusable is None else [Problem(path, unusable)]


def of_another_type(type_: FieldType, value: Any) -> str | None:
    """What is wrong with the class of a value; None if nothing is.

    An int is a float too, as type checkers say. A subclass is read back as its base, so it is refused where
    the two are not equal by nature: a bool for an int, a datetime for a date.
    """
    match type_:
        case ListType():
            expected, fits = "a list or a tuple", isinstance(value, list | tuple)
        case ScalarType(python) if python in (int, BigInt):
            expected, fits = "an int", isinstance(value, int) and not isinstance(value, bool | Enum)
        case ScalarType(python) if python is float:
            expected, fits = "a float", isinstance(value, float | int) and not isinstance(value, bool | Enum)
        case ScalarType(python) if python is date:
            expected, fits = "a date", isinstance(value, date) and not isinstance(value, datetime)
        case ScalarType(python):
            expected, fits = f"a {python.__name__}", isinstance(value, python) and not isinstance(value, Enum)
        case EnumType(python):
            expected, fits = f"a {python.__name__}", isinstance(value, python)
        case RecordType(python):
            expected, fits = f"a {python.__name__}", type(value) is python
    return None if fits else f"must be {expected}, got {type(value).__name__} {value!r:.80}"


def _surely_usable(value: Any) -> bool:
    """A fast check that accepts most valid values. False means: run the full check."""
    kind = type(value)
    if kind is str:
        return value.isascii() and "\0" not in value
    if kind is int:
        return bool(_INT <= value < -_INT)
    if kind is Decimal:
        return bool(value.is_finite())
    return kind is datetime and value.tzinfo is UTC


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
