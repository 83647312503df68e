"""The types that a field may have, and the constraints it may declare.

A field's type must have one exact form in JSON (the log), in GraphQL (the API) and, for projections, in
Postgres; whatever has not is refused when the class is defined.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any, NewType
from uuid import UUID, uuid4, uuid5

import annotated_types as at
from typing_extensions import Doc

from commander.domain.errors import DefinitionError, Problem
from commander.domain.source import where_is

BigInt = NewType("BigInt", int)
"""A whole number beyond 32 bits; the GraphQL scalar BigInt carries it as a string, so it stays exact."""

SCALARS: tuple[Any, ...] = (str, bool, int, float, Decimal, UUID, datetime, date, time, BigInt)
_GENERATED = "commander.generated"


def new_id() -> Any:
    """A field default: an id that the client may leave out.

    It is then derived from the command's id, so that sending the same command again means the same id.
    """
    return dataclasses.field(default_factory=uuid4, metadata={_GENERATED: True})


@dataclasses.dataclass(frozen=True)
class ScalarType:
    python: Any


@dataclasses.dataclass(frozen=True)
class EnumType:
    python: type[Enum]


@dataclasses.dataclass(frozen=True)
class RecordType:
    """A nested frozen dataclass: a value object."""

    python: type
    fields: tuple[Field, ...]


@dataclasses.dataclass(frozen=True)
class ListType:
    """python: the annotation itself, list[X] or tuple[X, ...]."""

    python: Any
    item: FieldType
    optional_items: bool


FieldType = ScalarType | EnumType | RecordType | ListType


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of an event, command, row or value object.

    optional: None is a value. required: there is no default. generated: see `new_id`.
    """

    name: str
    type: FieldType
    optional: bool
    required: bool
    generated: bool
    constraints: tuple[Any, ...]
    doc: str | None


def fields_of(cls: type, reserved: frozenset[str] = frozenset()) -> tuple[Field, ...]:
    """The fields of a frozen dataclass. Raises DefinitionError for what has no exact form."""
    where = where_is(cls)
    try:
        hints = typing.get_type_hints(cls, include_extras=True, localns={cls.__name__: cls})
    except NameError as error:
        raise DefinitionError(where, f"{cls.__name__}: {error} (define it above this class)") from error
    fields = []
    for field in dataclasses.fields(cls):
        at_field = f"{cls.__name__}.{field.name}"
        if field.name in reserved:
            raise DefinitionError(where, f"{at_field}: this name is taken by the API; choose another")
        if field.name.startswith("_"):
            raise DefinitionError(where, f"{at_field}: a field's name cannot begin with _ in GraphQL")
        fields.append(_field(field, hints[field.name], where, at_field))
    return tuple(fields)


def _field(field: dataclasses.Field[Any], hint: Any, where: str, at_field: str) -> Field:
    hint, metadata = _split_annotated(hint)
    hint, optional = _split_optional(hint)
    hint, inner_metadata = _split_annotated(hint)
    metadata += inner_metadata
    docs = [m.documentation for m in metadata if isinstance(m, Doc)]
    declared = [m for m in metadata if not isinstance(m, Doc)]
    constraints = tuple(c for m in declared for c in _constraints(m, where, at_field))
    has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    return Field(
        name=field.name,
        type=_field_type(hint, where, at_field),
        optional=optional,
        required=not has_default,
        generated=bool(field.metadata.get(_GENERATED)),
        constraints=constraints,
        doc=docs[0] if docs else None,
    )


def _split_annotated(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(hint) is typing.Annotated:
        inner, *metadata = typing.get_args(hint)
        return inner, tuple(metadata)
    return hint, ()


def _split_optional(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        args = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(args) == 1 and len(typing.get_args(hint)) == 2:
            return args[0], True
    return hint, False


def _field_type(hint: Any, where: str, at_field: str) -> FieldType:
    if hint in SCALARS:
        return ScalarType(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return EnumType(hint)
    if typing.get_origin(hint) in (list, tuple):
        args = typing.get_args(hint)
        if typing.get_origin(hint) is list or (len(args) == 2 and args[1] is Ellipsis):
            item, optional_items = _split_optional(args[0])
            return ListType(hint, _field_type(item, where, at_field), optional_items)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not hint.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise DefinitionError(where, f"{at_field}: the dataclass {hint.__name__} must be frozen")
        return RecordType(hint, fields_of(hint))
    raise DefinitionError(
        where,
        f"{at_field}: {hint!r} has no exact GraphQL form; use str, bool, int, BigInt, float, Decimal, UUID, "
        "datetime, date, time, an Enum, a frozen dataclass, or tuple[X, ...], list[X], X | None of these",
    )


Check = Callable[[Any], str | None]
_COMPARISONS: dict[type, tuple[str, Callable[[Any, Any], bool], str]] = {
    at.Gt: ("gt", lambda value, limit: bool(value > limit), "must be greater than"),
    at.Ge: ("ge", lambda value, limit: bool(value >= limit), "must be at least"),
    at.Lt: ("lt", lambda value, limit: bool(value < limit), "must be less than"),
    at.Le: ("le", lambda value, limit: bool(value <= limit), "must be at most"),
    at.MultipleOf: ("multiple_of", lambda value, step: bool(value % step == 0), "must be a multiple of"),
    at.MinLen: ("min_length", lambda value, limit: len(value) >= limit, "must have a length of at least"),
    at.MaxLen: ("max_length", lambda value, limit: len(value) <= limit, "must have a length of at most"),
}


def _constraints(metadata: Any, where: str, at_field: str) -> list[Any]:
    parts = list(metadata) if isinstance(metadata, at.GroupedMetadata) else [metadata]
    for part in parts:
        if type(part) not in _COMPARISONS and not isinstance(part, at.Predicate):
            raise DefinitionError(where, f"{at_field}: {part!r} is not a constraint that Commander can check")
    return parts


def problems_of(fields: tuple[Field, ...], value: Any, path: tuple[str, ...] = ()) -> list[Problem]:
    """What in `value`, a dataclass with these fields, breaks a constraint, with the path to each."""
    problems: list[Problem] = []
    for field in fields:
        item = getattr(value, field.name)
        at_item = (*path, field.name)
        if item is None:
            continue
        unusable = _unusable(field.type, item, at_item)
        broken = (message for c in field.constraints if (message := _broken(c, item)))
        problems += unusable or [Problem(at_item, message) for message in islice(broken, 1)]
    return problems


def _unusable(type_: FieldType, value: Any, path: tuple[str, ...]) -> list[Problem]:
    """What the type itself forbids: NaN has no order, and no NUL character can be stored in Postgres."""
    match type_:
        case RecordType(_, fields):
            return problems_of(fields, value, path)
        case ListType(_, item_type, _):
            return [
                problem
                for index, item in enumerate(value)
                if item is not None
                for problem in _unusable(item_type, item, (*path, str(index)))
            ]
    if isinstance(value, Decimal) and not value.is_finite():
        return [Problem(path, f"must be a finite number, got {value}")]
    if isinstance(value, datetime) and value.tzinfo is None:
        return [Problem(path, "must have a time zone")]
    if isinstance(value, str):
        return _unusable_text(value, path)
    return []


def _unusable_text(text: str, path: tuple[str, ...]) -> list[Problem]:
    if "\0" in text:
        return [Problem(path, "must not contain the character NUL")]
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return [Problem(path, f"is not valid Unicode: a lone surrogate at index {error.start}")]
    return []


def _broken(constraint: Any, value: Any) -> str | None:
    if isinstance(constraint, at.Predicate):
        return None if _satisfied(constraint, value) else f"does not satisfy {_name_of(constraint)}"
    attribute, holds, words = _COMPARISONS[type(constraint)]
    limit = getattr(constraint, attribute)
    if limit is None or holds(value, limit):
        return None
    return f"{words} {limit}, got {len(value) if 'length' in words else value}"


def _satisfied(predicate: at.Predicate, value: Any) -> bool:
    try:
        return bool(predicate.func(value))
    except ArithmeticError:  # no answer within the number's range is no
        return False


def _name_of(predicate: at.Predicate) -> str:
    return getattr(predicate.func, "__name__", "its predicate").replace("_", " ")


def derived_ids(fields: tuple[Field, ...], command_id: UUID) -> dict[str, UUID]:
    """The values of the generated fields of a command with this id."""
    return {field.name: uuid5(command_id, field.name) for field in fields if field.generated}
