"""Values of Python as JSON of the API, and back. What a field is in JSON follows from its annotation.

Names of fields change from snake case to camel case; a field with another name there has it in its metadata.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from typing import Any, ClassVar, cast
from uuid import UUID

from commander.schema.python.runtime.errors import UnknownType

API_NAME = "api_name"
"""The key of a field's metadata for its name in the API."""
AS_TEXT = "as text"
"""Annotates an int that is a string in JSON, because it can have 64 bits."""
BY_TEXT = "by text"
"""Annotates a class whose values are made from the string in JSON, and give it as `str(value)`."""
_LARGEST_INT = 2**31


class Unset:
    """The type of UNSET."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Any = Unset()
"""The value of an input's field that was not given. It is not sent, so the API takes its default."""


class OpenEnum(StrEnum):
    """An enum that can get members in the API. One that this client does not know is a string of its own."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        made = str.__new__(cls, value)
        made._name_ = made._value_ = value
        return made


class Open:
    """The base of a class that stands for all members of a union that this client does not know."""

    __slots__ = ()
    OPEN: ClassVar[bool] = True


def encoded(value: Any, as_text: bool | None = None) -> Any:
    """A value as JSON. as_text: whether an int is a string; None: if it has more than 32 bits."""
    match value:
        case None | bool() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value
        case int():
            large = not -_LARGEST_INT <= value < _LARGEST_INT
            return str(value) if as_text or (as_text is None and large) else value
        case UUID() | Decimal():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {key: encoded(one, as_text) for key, one in value.items() if one is not UNSET}
        case _ if is_dataclass(value):
            cls: Any = type(value)
            return {
                name: encoded(one, text)
                for attribute, name, text in _encoding(cls)
                if (one := getattr(value, attribute)) is not UNSET
            }
        case Iterable():
            return [encoded(one, as_text) for one in value]
        case _:
            return str(value)  # of a class that is annotated with BY_TEXT


@cache
def _encoding(cls: Any) -> list[tuple[str, str, bool]]:
    """(attribute, name in the API, whether ints are strings) of each field."""
    hints = _hints(cls)
    return [(one.name, _api_name(one), AS_TEXT in _marks(hints[one.name])) for one in fields(cls)]


def _marks(hint: Any) -> set[Any]:
    """All that annotates a type or its parts."""
    found = set(getattr(hint, "__metadata__", ()))
    parts = [getattr(hint, "__origin__", None), *typing.get_args(hint)]
    return found.union(
        *(_marks(part) for part in parts if typing.get_args(part) or hasattr(part, "__metadata__"))
    )


Decode = Callable[[Any], Any]


def decoder(hint: Any) -> Decode:
    """What makes values of a type from JSON. It raises UnknownType for a type that a union does not have."""
    return _decoder(hint)


@cache
def _decoder(hint: Any) -> Decode:
    origin, given = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return cast(Decode, given[0]) if BY_TEXT in given else _decoder(given[0])
    if origin in (typing.Union, types.UnionType):
        return _of_union(given)
    if origin is tuple:
        one = _decoder(given[0])
        return lambda values: tuple(map(one, values))
    if isinstance(hint, type) and is_dataclass(hint):
        return _of_class(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return _same


def _same(value: Any) -> Any:
    return value


_SCALARS: Mapping[Any, Decode] = {
    int: int,
    float: float,
    UUID: UUID,
    Decimal: Decimal,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
}


def _of_union(given: tuple[Any, ...]) -> Decode:
    members = [one for one in given if one is not types.NoneType]
    if len(members) == 1:
        of_one = _decoder(members[0])
        return lambda value: None if value is None else of_one(value)
    known = {member.__name__: _decoder(member) for member in members if not issubclass(member, Open)}
    others = [_decoder(member) for member in members if issubclass(member, Open)]

    def decode(value: Any) -> Any:
        if value is None:
            return None
        name = value["__typename"]
        made = known.get(name) or (others[0] if others else None)
        if made is None:
            raise UnknownType(f"the API sent the type {name}; write the client again")
        return made(value)

    return decode


def _of_class(cls: type) -> Decode:
    made: list[tuple[str, str, Decode]] = []

    def decode(value: Any) -> Any:
        if value is None:
            return None
        if not made:  # not before: a class can be part of itself
            hints = _hints(cls)
            made.extend((one.name, _api_name(one), _decoder(hints[one.name])) for one in fields(cls))
        try:
            return cls(**{attribute: of_field(value[name]) for attribute, name, of_field in made})
        except KeyError as missing:
            raise UnknownType(f"{value.get('__typename', cls.__name__)} has no field {missing}") from None

    return decode


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _api_name(field: Any) -> str:
    name: str = field.metadata.get(API_NAME) or camel(field.name)
    return name


def camel(name: str) -> str:
    """The API's form of a name: account_id becomes accountId."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() or "_" for part in others)
