"""Converts the field types of a domain to GraphQL types, output and input. Each is made once per schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NewType
from uuid import UUID

import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode, print_ast
from strawberry.types.scalar import ScalarDefinition

from commander.domain import BigInt, DefinitionError, Field
from commander.domain.fields import EnumType, FieldType, ListType, RecordType, ScalarType
from commander.domain.source import where_is

Position = NewType("Position", int)


def _scalar(
    name: str, description: str, serialize: Callable[[Any], str], parse: Callable[[Any], Any]
) -> ScalarDefinition:
    """A scalar that reads variables and literals in the same way. `parse` raises ValueError with the problem.

    `parse` gets a literal number as text with its written digits, never as a binary float.
    """

    def parse_value(value: Any) -> Any:
        try:
            return parse(value)
        except (ValueError, ArithmeticError) as error:
            raise GraphQLError(f"{name} cannot represent {_shown(repr(value))}: {error}") from error

    def parse_literal(node: ValueNode, _variables: Any = None) -> Any:
        written = node.value if isinstance(node, _LITERALS) else None
        try:
            if written is None:
                raise ValueError("it must be a string or a number")
            return parse(written)
        except (ValueError, ArithmeticError) as error:
            message = f"{name} cannot represent {_shown(print_ast(node))}: {error}"
            raise GraphQLError(message, nodes=node) from error

    return strawberry.scalar(
        name=name,
        description=description,
        serialize=serialize,
        parse_value=parse_value,
        parse_literal=parse_literal,
    )


_LITERALS = (IntValueNode, FloatValueNode, StringValueNode)
_WHOLE = re.compile("-?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return value

    return parse


def _decimal(value: Any) -> Decimal:
    """From a string, a whole number, or a float of at most 15 digits, which has lost no digit."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise ValueError("it must be a decimal number")
        exact = Decimal(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        exact = Decimal(value)
    elif isinstance(value, float) and len(Decimal(repr(value)).as_tuple().digits) <= 15:
        exact = Decimal(repr(value))
    else:
        raise ValueError("it must be a string of digits: a float loses digits")
    _, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int) or len(digits) > 1000 or exponent < -1000 or exact.adjusted() > 1000:
        raise ValueError("it must be finite and have at most 1000 digits")
    return exact


def _text(parse: Callable[[str], Any], form: str) -> Callable[[Any], Any]:
    def parse_text(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"it must be a string, {form}")
        try:
            return parse(value)
        except ValueError:
            raise ValueError(f"it must be {form}") from None

    return parse_text


def _moment(text: str) -> datetime:
    """A time that can also be written in UTC, because Postgres stores it in UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        try:
            moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("beyond the years 1 to 9999 in UTC") from None
    return moment


def _iso(value: Any) -> str:
    text: str = value.isoformat()
    return text


SCALARS: Mapping[object, ScalarDefinition] = {
    Position: _scalar(
        "Position",
        "A position in the log, from 1. 0 is before the first event. A string, because it has 64 bits.",
        str,
        _whole(0, 2**63 - 1),
    ),
    BigInt: _scalar("BigInt", "A whole number of 64 bits, as a string.", str, _whole(-(2**63), 2**63 - 1)),
    Decimal: _scalar("Decimal", "An exact decimal number, as a string.", str, _decimal),
    UUID: _scalar(
        "UUID", "An id of 128 bits, in hexadecimal digits.", str, _text(UUID, "an id in hexadecimal")
    ),
    datetime: _scalar(
        "DateTime",
        "A date and time with a time zone, in ISO 8601.",
        _iso,
        _text(_moment, "a date and time like 2030-01-31T12:00:00Z"),
    ),
    date: _scalar("Date", "A date, in ISO 8601.", _iso, _text(date.fromisoformat, "a date like 2030-01-31")),
    time: _scalar(
        "Time", "A time of day, in ISO 8601.", _iso, _text(time.fromisoformat, "a time like 12:00:00")
    ),
}

_PLAIN: Mapping[Any, Any] = {
    p: p for p in (str, bool, int, float, Decimal, UUID, datetime, date, time, BigInt)
}


_RESERVED = ("String", "Int", "Float", "Boolean", "ID", "JSON", "CommandResult")
"""Names of the API that Strawberry does not compare with the names of classes; see also `SCALARS`."""


class TypeMap:
    """The GraphQL types of one schema's enums and value objects."""

    def __init__(self) -> None:
        self._made: dict[tuple[type, bool], Any] = {}
        own = [*_RESERVED, *(scalar.name for scalar in SCALARS.values())]
        self._taken: dict[str, str] = dict.fromkeys(own, "the API")

    def annotation(self, field: Field, *, is_input: bool = False) -> Any:
        """The annotation of a field for Strawberry."""
        annotation = self._of(field.type, is_input)
        return annotation | None if field.optional else annotation

    def record(self, type_: RecordType, *, is_input: bool) -> Any:
        """The object or input type of a value object."""
        made = self._made.get((type_.python, is_input))
        if made is None:
            name = type_.python.__name__ + ("Input" if is_input else "")
            where = where_is(type_.python)
            made = self.object_type(name, type_.fields, where=where, is_input=is_input)
            self._made[type_.python, is_input] = made
        return made

    def object_type(
        self,
        name: str,
        fields: tuple[Field, ...],
        *,
        where: str,
        is_input: bool = False,
        base: type | None = None,
        description: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Any:
        """A Strawberry type with these fields. In an input, a field with a default is optional.

        more: further Strawberry fields.

        Raises DefinitionError, with `where`, if another type has this name.
        """
        self.claim(name, where)
        namespace: dict[str, Any] = {
            "__annotations__": {f.name: self.annotation(f, is_input=is_input) for f in fields},
            "__module__": __name__,
            **(more or {}),
        }
        for field in fields:
            namespace[field.name] = _strawberry_field(field, is_input)
            if is_input and not field.required:
                namespace["__annotations__"][field.name] |= None
        cls = type(name, (base,) if base else (), namespace)
        make = strawberry.input if is_input else strawberry.type
        return make(cls, name=name, description=description or None)

    def _of(self, type_: FieldType, is_input: bool) -> Any:
        match type_:
            case ScalarType(python):
                return _PLAIN[python]
            case EnumType(python):
                if (python, False) not in self._made:
                    self.claim(python.__name__, where_is(python))
                    self._made[python, False] = strawberry.enum(python, description=python.__doc__)
                return python
            case RecordType():
                return self.record(type_, is_input=is_input)
            case ListType(_, item, optional_items):
                inner = self._of(item, is_input)
                return list[inner | None] if optional_items else list[inner]  # type: ignore[valid-type]

    def claim(self, name: str, where: str) -> None:
        """Reserves a name. Raises DefinitionError, with `where`, if another type has it."""
        if name in self._taken:
            raise DefinitionError(where, f"the name {name} is taken by {self._taken[name]}")
        self._taken[name] = where


def _strawberry_field(field: Field, is_input: bool) -> Any:
    if is_input and not field.required:
        return strawberry.field(default=strawberry.UNSET, description=field.doc)
    return strawberry.field(description=field.doc)


def to_domain(
    fields: tuple[Field, ...], cls: type, given: Mapping[str, Any], derived: Mapping[str, UUID]
) -> Any:
    """A dataclass of the domain, from an input as coerced by graphql-core: GraphQL names, parsed values.

    An omitted field has its default, or a derived id.
    """
    values: dict[str, Any] = dict(derived)
    for field in fields:
        value = given.get(field.graphql_name)
        if value is not None:
            values[field.name] = value if field.is_plain else _to_domain(field.type, value)
        elif field.optional and field.graphql_name in given:
            values[field.name] = None
    return cls(**values)


def _to_domain(type_: FieldType, value: Any) -> Any:
    match type_:
        case RecordType(python, fields) if isinstance(value, Mapping):
            return to_domain(fields, python, value, {})
        case ListType(python, item, _) if value is not None:
            items = (_to_domain(item, one) for one in value)
            return tuple(items) if python.__origin__ is tuple else list(items)
    return value
