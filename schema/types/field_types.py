"""Converts the field types of a domain to GraphQL types, output and input. Each is made once per schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from commander.domain import BigInt, DefinitionError, Field
from commander.domain.constraints import in_words
from commander.domain.fields import EnumType, FieldType, ListType, RecordType, ScalarType
from commander.domain.messages import docstring
from commander.domain.source import where_is
from commander.schema.types.scalars import SCALARS

_PLAIN: Mapping[Any, Any] = {
    p: p for p in (str, bool, int, float, Decimal, UUID, datetime, date, time, BigInt)
}


_RESERVED = ("String", "Int", "Float", "Boolean", "ID", "JSON", "RowVersion", "Node")
"""Names of the API that Strawberry does not compare with the names of classes; see also `SCALARS`."""


class TypeMap:
    """The GraphQL types of one schema's enums and value objects.

    own: the GraphQL names of the fields that the domain declares, by the GraphQL type.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[type, bool], Any] = {}
        own = [*_RESERVED, *(scalar.name for scalar in SCALARS.values())]
        self.own: dict[str, frozenset[str]] = {}
        self._taken: dict[str, str] = dict.fromkeys(own, "the API")

    @property
    def values(self) -> frozenset[str]:
        """The names of the object types of value objects, so far."""
        return frozenset(
            made.__strawberry_definition__.name
            for (python, is_input), made in self._made.items()
            if not is_input and not issubclass(python, Enum)
        )

    def annotation(self, field: Field, *, is_input: bool = False) -> Any:
        """The annotation of a field for Strawberry. One that not all viewers see is null for the others."""
        annotation = self._of(field.type, is_input)
        hidden = field.visible_to is not None and not is_input
        return annotation | None if field.optional or hidden else annotation

    def record(self, type_: RecordType, *, is_input: bool) -> Any:
        """The object or input type of a value object."""
        made = self._made.get((type_.python, is_input))
        if made is None:
            name = type_.python.__name__ + ("Input" if is_input else "")
            where = where_is(type_.python)
            doc = docstring(type_.python)
            made = self.object_type(name, type_.fields, where=where, is_input=is_input, description=doc)
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
        annotations: Mapping[str, Any] | None = None,
    ) -> Any:
        """A Strawberry type with these fields. In an input, a field with a default is optional.

        more: further Strawberry fields. annotations: the types of those that have no resolver.

        Raises DefinitionError, with `where`, if another type has this name.
        """
        self.claim(name, where)
        self.own[name] = frozenset(field.graphql_name for field in fields)
        namespace: dict[str, Any] = {
            "__annotations__": {
                **{f.name: self.annotation(f, is_input=is_input) for f in fields},
                **(annotations or {}),
            },
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
                    self.own[python.__name__] = frozenset()
                    self._made[python, False] = strawberry.enum(python, description=docstring(python) or None)
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
    description = described(field) if is_input else field.description
    about: dict[str, Any] = {"description": description, "deprecation_reason": field.deprecated}
    if is_input and not field.required:
        return strawberry.field(default=strawberry.UNSET, **about)
    return strawberry.field(name=field.api_name, **about)


def described(field: Field) -> str | None:
    """The description of a field in an input: its author's text, and what its constraints require."""
    words = in_words(field.constraints)
    if isinstance(field.type, ListType) and (of_items := in_words(field.type.item_constraints)):
        words.append(f"each item {' and '.join(of_items)}")
    sentences = [field.description] if field.description else []
    if words:
        text = ", ".join(words)
        sentences.append(f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}")
    if field.generated:
        sentences.append("Leave it out to have an id made from the id of the command.")
    return " ".join(sentences) or None


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


def from_domain(fields: tuple[Field, ...], given: object) -> dict[str, Any]:
    """A dataclass of the domain as JSON in the form of its GraphQL input. The inverse of `to_domain`."""
    return {field.graphql_name: _from_domain(field.type, getattr(given, field.name)) for field in fields}


def nulled(given: dict[str, Any], fields: tuple[Field, ...], hidden: Collection[str]) -> dict[str, Any]:
    """A message as JSON, as the API shows it or as it is stored, with null in the hidden fields."""
    names = {one for field in fields if field.name in hidden for one in (field.name, field.graphql_name)}
    return {name: None if name in names else value for name, value in given.items()}


def _from_domain(type_: FieldType, value: Any) -> Any:
    if value is None:
        return None
    match type_:
        case ScalarType(python):
            scalar = SCALARS.get(python)
            return value if scalar is None or scalar.serialize is None else scalar.serialize(value)
        case EnumType():
            return value.name
        case RecordType(_, fields):
            return from_domain(fields, value)
        case ListType(_, item):
            return [_from_domain(item, one) for one in value]
