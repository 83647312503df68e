"""Each viewer reaches by each transport what the table says: no more, and no less."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    extend_schema,
    parse,
)

from tests.rights.asking import TRANSPORTS, Ask, Asks, answered, client
from tests.rights.commands import MUTATIONS
from tests.rights.story import OPERATOR, ROLES, Branch, Exported
from tests.rights.table import NOT_MET, TABLE, Reach
from tests.rights.viewing import Viewing, comparable
from tests.schema.every_field import selected_in
from tests.schema.transports import Client

WHOLE = {"query": "http", "subscription": "graphql-transport-ws"}
"""The transport by which an operation is asked with all its values. By others, each field is asked once."""
_MOMENT_SECONDS = 0.2
FOUR = ("nobody", "ada", "bob", OPERATOR)
"""Nobody, a customer, another customer and an operator."""
BESIDE_OPERATOR = [viewer for viewer in ROLES if viewer != OPERATOR]
"""Who is asked by the transports by which an operator is asked first: FOUR, and a teller for the operator."""


def objects(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            yield type_


def without_entry(schema: GraphQLSchema) -> list[str]:
    """A sentence for each field of the schema of which the table does not say who reaches it."""
    found = []
    for type_ in objects(schema):
        is_mutation = type_ is schema.mutation_type
        known = MUTATIONS if is_mutation else TABLE[type_.name].fields if type_.name in TABLE else {}
        found += [
            f"{type_.name}.{field} has no entry in tests/rights/: say who reaches it"
            for field in type_.fields
            if field not in known
        ]
    return found


def test_every_field_has_an_entry(branch: Branch) -> None:
    assert without_entry(branch.schema) == []
    known = {(type_.name, field) for type_ in objects(branch.schema) for field in type_.fields}
    entries = {(name, field) for name, entry in TABLE.items() for field in entry.fields}
    entries |= {("Mutation", field) for field in MUTATIONS}
    assert entries - known == set(), "entries without a field"


def test_a_new_field_fails_that_test(branch: Branch) -> None:
    more = "extend type Account { phone: String } extend type Mutation { rob: Loot } type Loot { gold: Int }"
    assert without_entry(extend_schema(branch.schema, parse(more))) == [
        f"{field} has no entry in tests/rights/: say who reaches it"
        for field in ("Account.phone", "Mutation.rob", "Loot.gold")
    ]


def test_every_field_is_asked(branch: Branch) -> None:
    schema, documents = branch.schema, branch.documents
    asked: set[tuple[str, str]] = set()
    for kind in ("query", "mutation", "subscription"):
        for name in documents.roots(kind):
            asked |= set(selected_in(schema, documents.document(kind, name, documents.required(kind, name))))
    for name, field in list(asked):
        type_ = schema.type_map[name]
        if isinstance(type_, GraphQLInterfaceType):
            asked |= {(possible.name, field) for possible in schema.get_possible_types(type_)}
    assert {(type_.name, field) for type_ in objects(schema) for field in type_.fields} - asked == set()


async def truths(branch: Branch, asks: Asks, every: list[Ask]) -> list[Any]:
    async with AsyncExitStack() as stack:
        operators = {
            kind: await stack.enter_async_context(client(branch, transport, OPERATOR))
            for kind, transport in WHOLE.items()
        }
        return [await asks.truth(operators[ask.operation], ask) for ask in every]


async def nothing_comes(own: Client, ask: Ask) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(_MOMENT_SECONDS):
            await answered(own, ask)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_each_viewer_reaches_what_the_table_says(
    branch: Branch, exported: Exported, asks: Asks, transport: str
) -> None:
    kinds = [kind for kind in TRANSPORTS[transport] if kind != "mutation"]
    every = [ask for kind in kinds for ask in asks.of(kind, every=transport == WHOLE[kind])]
    truth = await truths(branch, asks, every)

    async def ask_as(viewer: str) -> None:
        viewing = Viewing(viewer, exported)
        async with client(branch, transport, viewer) as own:
            for ask, value in zip(every, truth, strict=True):
                expected = viewing.answer(ask.operation, ask.field, value, ask.given)
                if ask.field == "commandStatus" and expected.code is not None:
                    await nothing_comes(own, ask)  # for a minute, as for an unknown id
                    continue
                data, code = await answered(own, ask)
                assert (comparable(data), code) == expected, f"{viewer}: {ask.operation} {ask.field}"

    viewers = BESIDE_OPERATOR if transport in WHOLE.values() else FOUR
    await asyncio.gather(*(ask_as(viewer) for viewer in viewers))


async def test_operators_and_the_command_line_have_all(
    branch: Branch, exported: Exported, asks: Asks
) -> None:
    """What operators get is what viewers are compared with, so it is compared with the export."""
    every = [ask for kind in WHOLE for ask in asks.of(kind, every=True)]
    truth = dict(zip(map(repr, every), await truths(branch, asks, every), strict=True))
    named = {(ask.operation, ask.field): truth[repr(ask)] for ask in every}
    positions = list(exported.events)
    events = [edge["node"]["position"] for edge in named["query", "events"]["edges"]]
    assert len(events) > 20 and events == positions[: len(events)]
    *followed, caught_up = named["subscription", "events"]
    assert [item["position"] for item in followed] == positions
    assert caught_up["position"] == positions[-1]
    decisions = branch.asked(OPERATOR, "{ commands(first: 500) { edges { node { commandId } } } }")["data"]
    decided = {edge["node"]["commandId"] for edge in decisions["commands"]["edges"]}
    assert decided | {branch.commands["ada deposit"]} == set(exported.senders)
    assert {type_.name for type_ in objects(branch.schema)} - met(list(truth.values())) == NOT_MET


def met(value: Any) -> set[str]:
    """The types of the objects in an answer, and those of roots and outcomes."""
    if isinstance(value, list):
        return set().union(*map(met, value))
    if not isinstance(value, dict):
        return set()
    return met(list(value.values())) | ({value["__typename"]} if "__typename" in value else set())


def test_an_outcome_shows_its_sender_no_more_than_the_table_says(branch: Branch, exported: Exported) -> None:
    for viewer, outcome in branch.outcomes:
        shown = comparable(outcome)
        assert Viewing(viewer, exported).shown(shown) == shown
    settled = [outcome["settled"] for _, outcome in branch.outcomes if outcome.get("settled")]
    assert any(command["input"] is None for one in settled for command in one["commands"])


async def test_no_list_is_selected_or_ordered_by_what_is_not_shown(branch: Branch) -> None:
    """Which rows an answer has, and their order, would tell the values."""
    asked: list[tuple[str, Reach]] = []
    for name, field in branch.documents.roots("query").items():
        if "where" in field.args:
            fields = TABLE[str(field.type).removesuffix("Connection!")].fields
            for argument, column in columns_of(branch.schema, name):
                asked.append((f"{{ {name}({argument}) {{ totalCount }} }}", fields[column]))
    assert sum(reach is Reach.TELLERS for _, reach in asked) == 2
    for viewer in ROLES:
        async with client(branch, "http", viewer) as own:
            for document, reach in asked:
                [answer] = [one async for one in own.answers(document)]
                codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
                sees = reach is Reach.SHOWN or viewer in ("tom", OPERATOR)
                assert codes == ([] if sees else ["FORBIDDEN"]), f"{viewer}: {document}"


def columns_of(schema: GraphQLSchema, name: str) -> list[tuple[str, str]]:
    """Each condition and each order of a list, with the field of its rows that it is about."""
    assert schema.query_type is not None
    arguments = schema.query_type.fields[name].args
    where, order = (schema.type_map[str(arguments[one].type).strip("[]!")] for one in ("where", "orderBy"))
    assert isinstance(where, GraphQLInputObjectType) and isinstance(order, GraphQLInputObjectType)
    column = schema.type_map[str(order.fields["column"].type).strip("!")]
    assert isinstance(column, GraphQLEnumType)
    named = {"".join(part.capitalize() for part in one.split("_")): one for one in column.values}
    return [
        (f"where: {{{one}: {{isNull: true}}}}", one)
        for one, field in where.fields.items()
        if str(field.type).endswith("Condition")
    ] + [(f"orderBy: [{{column: {one}}}]", camel[0].lower() + camel[1:]) for camel, one in named.items()]
