"""Everything in the schema says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLScalarType,
    GraphQLSchema,
    is_introspection_type,
    is_specified_scalar_type,
)

from commander import Doc, Domain, Gt, MaxLen, Message, MinLen, Predicate, new_id
from commander.examples.bank import bank
from commander.schema.build import build_schema
from tests.e2e.vault import vault

plain = Domain("plain")


class Colour(Enum):
    RED = "RED"
    BLUE = "BLUE"


@dataclass(frozen=True)
class Size:
    width: int = 1


@plain.event
@dataclass(frozen=True)
class Painted:
    wall_id: UUID
    colour: Colour
    size: Size


@plain.command
@dataclass(frozen=True)
class Paint:
    wall_id: UUID
    colour: Colour
    size: Size = Size()


@plain.aggregate(key="wall_id")
@dataclass(frozen=True)
class Wall:
    def paint(self, command: Paint) -> Painted:
        return Painted(command.wall_id, command.colour, command.size)

    def painted(self, event: Painted) -> Wall:
        return self


@plain.projection("wall", key="wall_id", indexes=("colour",))
@dataclass(frozen=True)
class WallRow:
    wall_id: UUID
    colour: Colour

    @classmethod
    def painted(cls, event: Painted) -> WallRow:
        return cls(event.wall_id, event.colour)


def whole_cents(amount: Decimal) -> bool:
    return amount == amount.quantize(Decimal("0.01"))


SHORT = Message("a name has at least three letters")
told = Domain("told")


@told.event
@dataclass(frozen=True)
class Named:
    """Somebody has a name."""

    someone_id: UUID
    name: str
    """Their name."""


@told.command
@dataclass(frozen=True)
class Name:
    """Give somebody a name."""

    name: Annotated[str, MinLen(3), SHORT, MaxLen(40)]
    """Their name,

    as they write it.
    """
    amount: Annotated[Decimal, Gt(0), Predicate(whole_cents)]
    price: Annotated[Decimal, Doc("What it costs."), Gt(0)]
    """Not read: the Doc counts."""
    words: tuple[Annotated[str, MaxLen(3)], ...] = ()
    someone_id: UUID = new_id()


@told.aggregate(key="someone_id")
@dataclass(frozen=True)
class Someone:
    def named(self, event: Named) -> Someone:
        return self

    def name(self, command: Name) -> Named:
        return Named(command.someone_id, command.name)


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Each type, field, argument, input field and value of an enum, with its description."""
    for name, type_ in schema.type_map.items():
        if is_introspection_type(type_):
            continue
        yield name, type_.description
        for field, declared in getattr(type_, "fields", {}).items():
            yield f"{name}.{field}", declared.description
            for argument, given in getattr(declared, "args", {}).items():
                yield f"{name}.{field}({argument}:)", given.description
        if isinstance(type_, GraphQLEnumType):
            for value, member in type_.values.items():
                yield f"{name}.{value}", member.description


def undescribed(domain: Domain) -> list[str]:
    found = list(described(build_schema(domain)._schema))
    assert len(found) > 300
    return [at for at, text in found if not (text or "").strip()]


def test_everything_in_the_schema_of_the_bank_has_a_description() -> None:
    assert undescribed(bank) == []


def test_of_a_domain_without_docstrings_only_what_its_author_names_has_none() -> None:
    fields = {f"{type_}.wallId" for type_ in ("Painted", "PaintInput", "Wall", "WallAt")}
    fields |= {f"{type_}.colour" for type_ in ("Painted", "PaintInput", "Wall", "WallAt")}
    fields |= {f"{type_}.size" for type_ in ("Painted", "PaintInput")}
    own = {"Colour", "Colour.RED", "Colour.BLUE", "Size", "Size.width", "SizeInput", "SizeInput.width"}
    assert set(undescribed(plain)) <= fields | own


def of_input(field: str) -> Any:
    return build_schema(told)._schema.type_map["NameInput"].fields[field].description  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (
            "name",
            "Their name,\n\nas they write it. A name has at least three letters, a length of at most 40.",
        ),
        ("amount", "Greater than 0, whole cents."),
        ("price", "What it costs. Greater than 0."),
        ("words", "Each item a length of at most 3."),
        ("someoneId", "Leave it out to have an id made from the id of the command."),
    ],
)
def test_an_input_says_what_its_author_says_and_what_its_constraints_require(field: str, text: str) -> None:
    assert of_input(field) == text


def test_an_event_has_the_text_below_the_field() -> None:
    named = build_schema(told)._schema.type_map["Named"]
    assert named.description == "Somebody has a name."
    assert named.fields["name"].description == "Their name."  # type: ignore[attr-defined]
    assert named.fields["type"].description == "The name of the type."  # type: ignore[attr-defined]


def test_each_scalar_names_the_standard_of_its_form() -> None:
    types = build_schema(vault)._schema.type_map.values()
    scalars = [
        one for one in types if isinstance(one, GraphQLScalarType) and not is_specified_scalar_type(one)
    ]
    assert {one.name for one in scalars} == {
        *("BigInt", "Date", "DateTime", "Decimal", "JSON", "Position", "Time", "UUID")
    }
    assert [one.name for one in scalars if not (one.specified_by_url or "").startswith("https://")] == []
