"""A document can select a field on all members of an interface or a union that have it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from enum import Enum
from itertools import combinations
from typing import Annotated, Any
from uuid import UUID

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_leaf_type,
)

from commander import ApiName, DefinitionError, Domain
from commander.examples.bank import bank
from commander.schema import build
from tests.e2e.nodejs import PACKAGE, installed
from tests.e2e.vault import vault


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Money:
    amount: int


ANY_TYPE: list[Any] = [str, int, UUID, Colour, Money, list[str], list[int], list[str | None], list[Money]]


PAIRS = list(combinations(ANY_TYPE, 2))


def domain_of(*types: Any, name: str = "value") -> Domain:
    """Events Was0, Was1, …, each with a field of this name. It has one of these types."""
    domain = Domain("shared")

    @domain.command
    @dataclass(frozen=True)
    class Begin:
        thing_id: UUID

    events: list[Any] = []
    for number, type_ in enumerate(types):
        body = {"__annotations__": {"thing_id": UUID, name: type_}, "__module__": __name__}
        event: Any = type(f"Was{number}", (), body)
        events.append(domain.event(dataclass(frozen=True)(event)))

    def evolve(event: type) -> Any:
        def evolver(self: Any, event: Any) -> Any:
            return self

        evolver.__annotations__ = {"event": event}
        return evolver

    def begin(self: Any, command: Begin) -> None: ...

    begin.__annotations__ = {"command": Begin, "return": None}
    methods = {f"was_{n}": evolve(event) for n, event in enumerate(events)}
    thing: Any = type("Thing", (), {"begin": begin, **methods, "__module__": __name__})
    domain.aggregate(key="thing_id")(dataclass(frozen=True)(thing))
    return domain


PROVOKING = domain_of(UUID, UUID | None, Annotated[int, ApiName("other")], Annotated[Money, ApiName("money")])


def schema_of(domain: Domain) -> GraphQLSchema:
    """As a client has it: from the schema's text."""
    return build_schema(build.build_schema(domain).as_str())


def members(schema: GraphQLSchema) -> Iterator[tuple[Any, list[GraphQLObjectType]]]:
    """Not of Node: its members have only the id in common, and nobody selects all of them by their fields."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType) and type_.name != "Node":
            yield type_, list(schema.get_possible_types(type_))


WHOLE = """{ commandId type stream position ... on CommandApplied { position version events { type } }
    ... on CommandPending { position } ... on CommandValid { version events { type } } }"""
DOMAINS = {"bank": bank, "vault": vault, "provoking": PROVOKING}


@pytest.mark.parametrize("name", DOMAINS)
def test_each_pair_of_members_has_the_same_type_for_each_field_that_both_have(name: str) -> None:
    schema, different, pairs = schema_of(DOMAINS[name]), set(), 0
    for type_, possible in members(schema):
        for one, other in combinations(possible, 2):
            for field in one.fields.keys() & other.fields.keys():
                pairs += 1
                if not mergeable(one.fields[field].type, other.fields[field].type):
                    different.add(f"{type_.name}: {one.name}.{field} and {other.name}.{field}")
    assert pairs > 100
    assert different == set()


def mergeable(one: Any, other: Any) -> bool:
    """Whether the types are equal, or differ only in the named types, of which both have fields."""
    first, second = get_named_type(one), get_named_type(other)
    if is_leaf_type(first) or is_leaf_type(second):
        return str(one) == str(other)
    return str(one).replace(first.name, "") == str(other).replace(second.name, "")


def all_at_once(schema: GraphQLSchema) -> list[str]:
    """For each interface and union a fragment with every plain field of every member."""
    fragments = []
    for type_, possible in members(schema):
        selected = [f"... on {member.name} {{ __typename {' '.join(plain(member))} }}" for member in possible]
        fragments.append(f"fragment All on {type_.name} {{ {' '.join(selected)} }}")
    return fragments


def plain(member: GraphQLObjectType) -> list[str]:
    return [
        name
        for name, field in member.fields.items()
        if is_leaf_type(get_named_type(field.type)) and not field.args
    ]


@pytest.mark.parametrize("name", DOMAINS)
def test_graphql_js_lets_a_document_select_all_of_them(name: str) -> None:
    installed()
    text = build.build_schema(DOMAINS[name]).as_str()
    documents = [
        *all_at_once(build_schema(text)),
        f'mutation {{ cancelCommand(commandId: "{UUID(int=1)}") {WHOLE} }}',
    ]
    done = subprocess.run(
        ["node", str(PACKAGE / "validate.js")],
        input=json.dumps({"schema": text, "documents": documents}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(documents) > 3
    assert json.loads(done.stdout) == [[] for _ in documents]


def test_a_field_that_may_be_null_in_one_event_may_be_null_in_all() -> None:
    schema = schema_of(PROVOKING)
    fields = {
        type_.name: {name: str(field.type) for name, field in type_.fields.items()}
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType)
    }
    assert (fields["Was0"]["value"], fields["Was1"]["value"]) == ("UUID", "UUID")
    assert (fields["Was2"]["other"], fields["Was3"]["money"]) == ("Int!", "Money!")
    assert "value" not in fields["Was2"]


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_events_whose_field_has_other_types_are_refused_and_told_how_to_go_on(pair: Any) -> None:
    with pytest.raises(DefinitionError) as refused:
        build.build_schema(domain_of(*pair))
    assert "Was1.value: Was0.value has another type" in str(refused.value)
    assert 'Annotated[…, ApiName("was1Value")]' in str(refused.value)


@pytest.mark.parametrize(
    ("name", "type_", "owner"),
    [("reason", str | None, "UnreadableEvent"), ("since", str, "StandsStill"), ("code", int, "Was0")],
)
def test_a_field_of_another_item_of_the_feed_is_not_taken_with_another_type(
    name: str, type_: Any, owner: str
) -> None:
    with pytest.raises(
        DefinitionError, match=rf"Was0.{name}: {owner}.* has another type|{name}.*Was0.{name}"
    ):
        build.build_schema(domain_of(type_, name=name))
    build.build_schema(domain_of(Annotated[type_, ApiName("own")], name=name))


def test_a_reason_like_that_of_the_api_is_no_conflict() -> None:
    build.build_schema(domain_of(str, name="reason"))


def test_a_name_in_the_api_is_checked_as_any_other_and_is_only_for_events() -> None:
    for wrong, said in (
        ("no name", "may have letters"),
        ("position", "taken by the API"),
        ("thingId", "taken by"),
    ):
        with pytest.raises(DefinitionError, match=said):
            domain_of(Annotated[int, ApiName(wrong)])
    with pytest.raises(DefinitionError, match="only for the fields of an event"):
        Domain("small").command(make_dataclass("Begin", [("a", Annotated[int, ApiName("b")])], frozen=True))
