"""Checks the defaults of fields when a class is defined."""

from __future__ import annotations

import dataclasses
import typing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from commander.domain.annotations import unwrapped
from commander.domain.checking import of_another_type, problems_of
from commander.domain.errors import DefinitionError, Problem, described
from commander.domain.fields import Field, ListType, RecordType, field_type
from commander.domain.source import where_is

_RANDOM_VERSIONS = (1, 4, 6, 7)
_JUST_NOW = timedelta(minutes=1)


def check_defaults(cls: type, fields: tuple[Field, ...]) -> None:
    """Raises DefinitionError for a default that a value of the field could not be, and for one that looks
    like a fresh value but is made once: uuid4(), datetime.now(). So for the value objects in its fields.
    """
    for record in filter(None, map(_record_in, fields)):
        check_defaults(record.python, record.fields)
    for field, (name, value) in zip(fields, _defaults(cls), strict=True):
        if value is dataclasses.MISSING:
            continue
        if problems := problems_of((field,), SimpleNamespace(**{name: value})):
            raise DefinitionError(where_is(cls), f"{cls.__name__}: the default of {described(problems)}")
        _refuse_made_once(cls, name, value)


def check_defaults_of_state(cls: type) -> None:
    """As check_defaults, for the class of a state. Its fields may have any type.

    What is not known of a type is not held against the default.
    """
    try:
        hints = typing.get_type_hints(cls, include_extras=True, localns={cls.__name__: cls})
    except Exception:  # an annotation in quotes may hold anything
        return
    for name, value in _defaults(cls):
        if value is dataclasses.MISSING:
            continue
        if (problem := _problem_in_state(hints[name], value)) is not None:
            problem = described([Problem((name,), problem)])
            raise DefinitionError(where_is(cls), f"{cls.__name__}: the default of {problem}")
        _refuse_made_once(cls, name, value)


def _problem_in_state(hint: Any, value: Any) -> str | None:
    bare, optional, _ = unwrapped(hint)
    try:
        type_ = field_type(bare, "", "", ())
    except DefinitionError:
        return None  # a type that only a state can have
    if value is None:
        return None if optional else "must not be None"
    return of_another_type(type_, value)


def _record_in(field: Field) -> RecordType | None:
    type_ = field.type
    while isinstance(type_, ListType):
        type_ = type_.item
    return type_ if isinstance(type_, RecordType) else None


def _defaults(cls: type) -> list[tuple[str, Any]]:
    """The name and the default of each field. dataclasses.MISSING: it has none."""
    return [(declared.name, declared.default) for declared in dataclasses.fields(cls)]


def _refuse_made_once(cls: type, name: str, value: Any) -> None:
    if _made_once(value):
        problem = f"the default of {name} is made once and shared by all: {value}"
        raise DefinitionError(where_is(cls), f"{cls.__name__}: {problem}. {_instead(value)}")


def _made_once(value: Any) -> bool:
    if isinstance(value, UUID):
        return value.version in _RANDOM_VERSIONS
    if isinstance(value, datetime) and value.tzinfo is not None:
        return abs(datetime.now(UTC) - value) < _JUST_NOW
    return False


def _instead(value: Any) -> str:
    if isinstance(value, UUID):
        return "In a command write new_id(); an event gets its ids from the decider"
    return "Deciders take the time of the decision: CommandContext.now"
