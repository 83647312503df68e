"""What a domain marks as deprecated is @deprecated in the schema, with the reason, wherever it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import pytest
from graphql import GraphQLSchema

from commander import DefinitionError, Deprecated, Domain, new_id
from commander.schema.build import build_schema

library = Domain("library")
REASON = "Use `title`."
OLD = "Use Lend."
GONE = "Use Lent."


@dataclass(frozen=True)
class Shelf:
    room: int
    row: Annotated[int, Deprecated("Rows are not numbered.")] = 0


@library.event
@dataclass(frozen=True)
class Lent:
    book_id: UUID
    title: str = ""
    name: Annotated[str, Deprecated(REASON)] = ""
    shelf: Shelf = Shelf(1)


@library.event(deprecated=GONE)
@dataclass(frozen=True)
class HandedOut:
    """A book was handed out."""

    book_id: UUID


@library.command
@dataclass(frozen=True)
class Lend:
    title: str
    name: Annotated[str | None, Deprecated(REASON)]
    author: Annotated[str, Deprecated("Not read.")] = ""
    shelf: Shelf = Shelf(1)
    book_id: UUID = new_id()


@library.command(deprecated=OLD)
@dataclass(frozen=True)
class HandOut:
    book_id: UUID


@library.aggregate(key="book_id")
@dataclass(frozen=True)
class Book:
    def lend(self, command: Lend) -> Lent:
        return Lent(command.book_id, command.title)

    def hand_out(self, command: HandOut) -> HandedOut:
        return HandedOut(command.book_id)

    def lent(self, event: Lent) -> Book:
        return self

    def handed_out(self, event: HandedOut) -> Book:
        return self


@library.projection("book", key="book_id", indexes=("name",))
@dataclass(frozen=True)
class BookRow:
    book_id: UUID
    title: str
    name: Annotated[str, Deprecated(REASON)]

    @classmethod
    def lent(cls, event: Lent) -> BookRow:
        return cls(event.book_id, event.title, event.name)


@dataclass(frozen=True)
class Part:
    size: Annotated[int, Deprecated("No.")]


def deprecated(schema: GraphQLSchema) -> dict[str, str]:
    found = {}
    for name, type_ in schema.type_map.items():
        for field, one in {**getattr(type_, "fields", {}), **getattr(type_, "values", {})}.items():
            if one.deprecation_reason is not None and not name.startswith("__"):
                found[f"{name}.{field}"] = one.deprecation_reason
    return found


def test_each_place_that_shows_what_is_deprecated_says_so() -> None:
    schema = build_schema(library)
    rows = "Rows are not numbered."
    assert deprecated(schema._schema) == {
        "Mutation.handOut": OLD,
        "AnyCommand.handOut": OLD,
        "LendInput.name": REASON,
        "LendInput.author": "Not read.",
        "HandedOut.bookId": GONE,
        "Lent.name": REASON,
        "Shelf.row": rows,
        "ShelfInput.row": rows,
        "Book.name": REASON,
        "BookAt.name": REASON,
        "BookWhere.name": REASON,
        "BookColumn.NAME": REASON,
    }
    event = schema._schema.type_map["HandedOut"]
    assert event.description == "A book was handed out.\n\nDeprecated: Use Lent."
    assert f'handOut: HandOutInput @deprecated(reason: "{OLD}")' in schema.as_str()


def test_a_deprecated_column_still_orders_and_is_described() -> None:
    columns = build_schema(library)._schema.type_map["BookColumn"]
    assert columns.values["NAME"].description == "The column `name`."  # type: ignore[attr-defined]


def test_what_each_client_must_give_cannot_be_deprecated() -> None:
    domain = Domain("strict")
    with pytest.raises(DefinitionError, match=r"Send\.name: a deprecated field of an input needs a default"):

        @domain.command
        @dataclass(frozen=True)
        class Send:
            key: UUID
            name: Annotated[str, Deprecated("No.")]

    with pytest.raises(DefinitionError, match=r"Part\.size: a deprecated field of an input needs a default"):

        @domain.command
        @dataclass(frozen=True)
        class Put:
            key: UUID
            parts: tuple[Part, ...] = ()


@pytest.mark.parametrize("reason", ["", " ", True])
def test_a_deprecation_needs_a_reason(reason: str) -> None:
    domain = Domain("reasons")
    with pytest.raises(DefinitionError, match="deprecated must be a text: why, and what to use instead"):

        @domain.command(deprecated=reason)
        @dataclass(frozen=True)
        class Send:
            key: UUID


def test_a_field_needs_a_reason_too() -> None:
    with pytest.raises(DefinitionError, match=r"Sent\.key: deprecated must be a text"):

        @Domain("fields").event
        @dataclass(frozen=True)
        class Sent:
            key: Annotated[UUID, Deprecated("")]
