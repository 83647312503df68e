"""From a domain's field types to GraphQL types, output and input, each made once per schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, NewType
from uuid import UUID

import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode, print_ast
from strawberry.types.scalar import ScalarDefinition

from commander.domain import BigInt, Field
from commander.domain.fields import EnumType, FieldType, ListType, RecordType, ScalarType

Position = NewType("Position", int)


def _whole(name: str, least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) <= 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise GraphQLError(f"{name} cannot represent {value!r}: it is a whole number {least} to {most}")
        return value

    return parse


def _whole_literal(parse: Callable[[Any], int]) -> Callable[..., int]:
    def parse_literal(node: ValueNode, _variables: Any = None) -> int:
        return parse(node.value if isinstance(node, IntValueNode | StringValueNode) else print_ast(node))

    return parse_literal


def _decimal(value: Any) -> Decimal:
    """From JSON: a string, a whole number, or a number whose shortest form is surely what was sent."""
    try:
        if isinstance(value, str | int) and not isinstance(value, bool):
            return _finite(Decimal(value), value)
        if isinstance(value, float):
            exact = _finite(Decimal(repr(value)), value)
            if len(exact.as_tuple().digits) <= 15:
                return exact
    except InvalidOperation:
        pass
    raise GraphQLError(f"Decimal cannot represent {value!r}: send the digits as a string")


def _decimal_literal(node: ValueNode, _variables: Any = None) -> Decimal:
    """From a document: the digits as they were written, never through a binary float."""
    if isinstance(node, IntValueNode | FloatValueNode | StringValueNode):
        return _decimal(node.value)
    raise GraphQLError(f"Decimal cannot represent {print_ast(node)}")


def _finite(value: Decimal, given: object) -> Decimal:
    if not value.is_finite() or abs(value.adjusted()) > 1000:
        raise GraphQLError(f"Decimal cannot represent {given!r}")
    return value


_parse_position = _whole("Position", 0, 2**63 - 1)
_parse_bigint = _whole("BigInt", -(2**63), 2**63 - 1)

SCALARS: Mapping[object, ScalarDefinition] = {
    Position: strawberry.scalar(
        name="Position",
        description="A place in the log, from 1; 0 is before the first event. A string, for it has 64 bits.",
        serialize=str,
        parse_value=_parse_position,
        parse_literal=_whole_literal(_parse_position),
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of 64 bits, as a string.",
        serialize=str,
        parse_value=_parse_bigint,
        parse_literal=_whole_literal(_parse_bigint),
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, as a string.",
        serialize=str,
        parse_value=_decimal,
        parse_literal=_decimal_literal,
    ),
}

_PLAIN: Mapping[Any, Any] = {
    p: p for p in (str, bool, int, float, Decimal, UUID, datetime, date, time, BigInt)
}


class TypeMap:
    """The GraphQL types of one schema's enums and value objects."""

    def __init__(self) -> None:
        self._made: dict[tuple[type, bool], Any] = {}

    def annotation(self, field: Field, *, is_input: bool = False) -> Any:
        """The annotation of a field as Strawberry takes it."""
        annotation = self._of(field.type, is_input)
        return annotation | None if field.optional else annotation

    def record(self, type_: RecordType, *, is_input: bool) -> Any:
        """The object or input type of a value object."""
        made = self._made.get((type_.python, is_input))
        if made is None:
            name = type_.python.__name__ + ("Input" if is_input else "")
            made = self.object_type(name, type_.fields, is_input=is_input)
            self._made[type_.python, is_input] = made
        return made

    def object_type(
        self,
        name: str,
        fields: tuple[Field, ...],
        *,
        is_input: bool = False,
        base: type | None = None,
        description: str | None = None,
    ) -> Any:
        """A Strawberry type with these fields; an input leaves out what has a default."""
        namespace: dict[str, Any] = {
            "__annotations__": {f.name: self.annotation(f, is_input=is_input) for f in fields},
            "__module__": __name__,
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
                    self._made[python, False] = strawberry.enum(python, description=python.__doc__)
                return python
            case RecordType():
                return self.record(type_, is_input=is_input)
            case ListType(_, item, optional_items):
                inner = self._of(item, is_input)
                return list[inner | None] if optional_items else list[inner]  # type: ignore[valid-type]


def _strawberry_field(field: Field, is_input: bool) -> Any:
    if is_input and not field.required:
        return strawberry.field(default=strawberry.UNSET, description=field.doc)
    return strawberry.field(description=field.doc)


def to_domain(fields: tuple[Field, ...], cls: type, given: Any, derived: Mapping[str, UUID]) -> Any:
    """A dataclass of the domain from an input; what was left out takes its default, or a derived id."""
    values: dict[str, Any] = dict(derived)
    for field in fields:
        value = getattr(given, field.name)
        left_out = value is strawberry.UNSET or (value is None and not field.optional)
        if not left_out:
            values[field.name] = _to_domain(field.type, value)
    return cls(**values)


def _to_domain(type_: FieldType, value: Any) -> Any:
    match type_:
        case RecordType(python, fields) if dataclasses.is_dataclass(value):
            return to_domain(fields, python, value, {})
        case ListType(python, item, _) if value is not None:
            items = (_to_domain(item, one) for one in value)
            return tuple(items) if python.__origin__ is tuple else list(items)
    return value
