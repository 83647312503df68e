"""Checks the defaults of fields when a class is defined."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from commander.domain.checking import problems_of
from commander.domain.errors import DefinitionError, described
from commander.domain.fields import Field
from commander.domain.source import where_is

_RANDOM_VERSIONS = (1, 4, 6, 7)
_JUST_NOW = timedelta(minutes=1)


def check_defaults(cls: type, fields: tuple[Field, ...]) -> None:
    """Raises DefinitionError for a default that a value of the field could not be, and for one that looks
    like a fresh value but is made once: uuid4(), datetime.now().
    """
    for field, declared in zip(fields, dataclasses.fields(cls), strict=True):
        value = declared.default
        if value is dataclasses.MISSING:
            continue
        if problems := problems_of((field,), SimpleNamespace(**{field.name: value})):
            raise DefinitionError(where_is(cls), f"{cls.__name__}: the default of {described(problems)}")
        if _made_once(value):
            problem = f"the default of {field.name} is made once and shared by all: {value}"
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
