"""Which fields an operation selects, and on which types."""

from __future__ import annotations

import pytest
from graphql import build_schema, get_location

from commander.schema.execution.documents import Documents, Operation

SCHEMA = build_schema(
    """
    type Query { node: Node any: Any deep(x: Int): Query }
    interface Node { id: ID }
    type Dog implements Node { id: ID name: String owner: Query }
    type Cat implements Node { id: ID name: String }
    union Any = Dog | Cat
    """
)


def operation(text: str, name: str | None = None) -> Operation:
    found = Documents(SCHEMA).read(text).operation(name)
    assert isinstance(found, Operation), found
    return found


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{ __typename }", "Query.__typename"),
        ("{ node { id } }", "Query.node Node.id"),
        ("{ node { ... on Dog { id name } } }", "Query.node Dog.id Dog.name"),
        ("{ node { ... on Dog { ... on Node { id } } } }", "Query.node Node.id"),
        (
            "{ node { ... { id } ... @include(if: false) { __typename } } }",
            "Query.node Node.id Node.__typename",
        ),
        ("{ any { __typename ... on Cat { name } } }", "Query.any Any.__typename Cat.name"),
        ("{ any { ...N } } fragment N on Node { id }", "Query.any Node.id"),
        ("{ deep { ...Q } ...Q } fragment Q on Query { node { id } }", "Query.deep Query.node Node.id"),
        (
            "{ a: deep(x: 1) { any { __typename } } b: deep { __typename } }",
            "Query.deep Query.any Any.__typename Query.deep Query.__typename",
        ),
        (
            '{ __schema { types { name } } __type(name: "Dog") { kind } }',
            "Query.__schema __Schema.types __Type.name Query.__type __Type.kind",
        ),
    ],
)
def test_a_field_is_seen_on_the_type_that_the_document_selects_it_on(text: str, fields: str) -> None:
    assert " ".join(f"{field.parent}.{field.name}" for field in operation(text).fields) == fields


def test_a_field_has_its_path_in_the_answer_and_its_place_in_the_document() -> None:
    one = operation("{ a: deep(x: 1) { ...F } b: deep { ...F } }\nfragment F on Query { n: node { id } }")
    places = [field.node.loc for field in one.fields]
    lines = [get_location(place.source, place.start).line for place in places if place]
    assert list(zip([field.path for field in one.fields], lines, strict=True)) == [
        (("a",), 1),
        (("a", "n"), 2),
        (("a", "n", "id"), 2),
        (("b",), 1),
    ]
    assert [argument.name.value for argument in one.fields[0].node.arguments or ()] == ["x"]


def test_of_a_document_with_many_operations_each_has_its_own_fields() -> None:
    text = "query A { ...F } query B { node { id } } fragment F on Query { any { __typename } }"
    assert [field.name for field in operation(text, "A").fields] == ["any", "__typename"]
    assert [field.name for field in operation(text, "B").fields] == ["node", "id"]


def test_the_fields_are_found_once_for_a_document_that_is_kept() -> None:
    documents = Documents(SCHEMA)
    first, again = (documents.read("{ node { id } }").operation(None) for _ in range(2))
    assert isinstance(first, Operation)
    assert isinstance(again, Operation)
    assert first.fields is again.fields


def test_fragments_that_spread_one_another_take_no_longer_than_they_are() -> None:
    spreads = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30))
    one = operation(f"{{ ...F0 }} {spreads} fragment F30 on Query {{ node {{ id }} }}")
    assert [field.name for field in one.fields] == ["node", "id"]
