"""What an operation can cost is computed from its document and its variables, before it is executed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from graphql import GraphQLSchema

from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.execution.cost import UNPAGED_ITEMS, PageSizes
from commander.schema.execution.documents import Documents, Operation

PAGES = PageSizes(default=50, most=500)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(bank)._schema


def operation(schema: GraphQLSchema, text: str) -> Operation:
    read = Documents(schema).read(text)
    found = read.operation(None)
    assert isinstance(found, Operation), found
    return found


ROW = "edges { node { owner balance } }"
IDS = '["a", "b", "c"]'


@pytest.mark.parametrize(
    ("document", "variables", "cost"),
    [
        ("{ __typename }", None, 0),
        ('{ account(accountId: "7b1c2e0a-2b1f-4b62-9a0e-3f6f5a7d0c01") { owner balance } }', None, 1),
        # the connection, and for each row an edge and a node
        (f"{{ accounts {{ {ROW} }} }}", None, 1 + 50 * 2),
        (f"{{ accounts(first: 10) {{ {ROW} }} }}", None, 1 + 10 * 2),
        (f"{{ accounts(last: 7) {{ {ROW} }} }}", None, 1 + 7 * 2),
        (f"{{ accounts(first: 0) {{ {ROW} }} }}", None, 1),
        (f"{{ accounts(first: 1000000) {{ {ROW} }} }}", None, 1 + 500 * 2),
        (f"{{ accounts(first: -1) {{ {ROW} }} }}", None, 1),
        (f"{{ accounts(first: null) {{ {ROW} }} }}", None, 1 + 50 * 2),
        ("{ accounts(first: 10) { pageInfo { hasNextPage } totalCount } }", None, 1 + 1 + 100),
        # lists in lists multiply
        (
            "{ accounts(first: 10) { edges { node { events(first: 20) { edges { cursor } } } } } }",
            None,
            1 + 10 * (2 + 1 + 20),
        ),
        (
            "{ accounts(first: 10) { edges { node { availableCommands { name allowed } } } } }",
            None,
            1 + 10 * (2 + UNPAGED_ITEMS),
        ),
        # aliases and several fields add up
        (f"{{ a: accounts(first: 1) {{ {ROW} }} b: accounts(first: 2) {{ {ROW} }} }}", None, 3 + 5),
        # variables, their defaults, and what is left out or wrong
        (f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}", {"n": 3}, 1 + 3 * 2),
        (f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}", None, 1 + 50 * 2),
        (f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}", {"n": None}, 1 + 50 * 2),
        (f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}", {"n": 10**30}, 1 + 500 * 2),
        (f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}", {"n": True}, 1 + 50 * 2),
        (f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}", {"n": {"a": 1}}, 1 + 1 * 2),
        (f"query($n: Int = 4) {{ accounts(first: $n) {{ {ROW} }} }}", {}, 1 + 4 * 2),
        (f"query($n: Int = 4) {{ accounts(first: $n) {{ {ROW} }} }}", {"n": 9}, 1 + 9 * 2),
        # of two sizes one may be null, whichever it is
        (f"query($n: Int) {{ accounts(first: $n, last: 500) {{ {ROW} }} }}", {"n": None}, 1 + 500 * 2),
        # a declared default
        ("{ deadLetters { type } }", None, 100),
        ("{ deadLetters(first: 5) { events { position } } }", None, 5 * (1 + UNPAGED_ITEMS)),
        # a list in an argument
        (f"{{ nodes(ids: {IDS}) {{ id }} }}", None, 3),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a", "b"]}, 2),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": "a"}, 1),
        # fragments
        (
            f"{{ ...F ...F }} fragment F on Query {{ accounts(first: 10) {{ ... {{ {ROW} }} }} }}",
            None,
            2 * (1 + 10 * 2),
        ),
        (
            "{ accounts(first: 3) { ...C } } fragment C on AccountConnection { edges { node { owner } } }",
            None,
            1 + 3 * 2,
        ),
        # introspection has a size of its own
        ("{ __schema { types { fields { type { name } } } } }", None, 100),
        ("subscription { events { position } }", None, 1),
        ("subscription { accounts { changes { kind row { owner } } } }", None, 1 + 50 * 2),
    ],
)
def test_the_cost_of_a_document(
    schema: GraphQLSchema, document: str, variables: dict[str, Any] | None, cost: int
) -> None:
    price = operation(schema, document).price
    assert price.of(variables, PAGES) == cost
    assert price.of(variables, PAGES) == cost, "the second time, from memory"


OPEN = 'openAccount(input: {owner: "Ada"}) { __typename }'


@pytest.mark.parametrize(
    ("document", "variables", "commands"),
    [
        (f"mutation {{ {OPEN} }}", None, 1),
        (f"mutation {{ __typename a: {OPEN} b: {OPEN} }}", None, 2),
        (f"mutation {{ ...F ...F }} fragment F on Mutation {{ {OPEN} }}", None, 1),
        (
            "mutation($o: OpenAccountInput!)"
            " { submit(commands: [{openAccount: $o}, {openAccount: $o}]) { type } }",
            None,
            2,
        ),
        ('mutation { submit(commands: {openAccount: {owner: "A"}}) { type } }', None, 1),
        ("mutation($c: [AnyCommand!]!) { submit(commands: $c) { type } }", {"c": [{}] * 70}, 70),
        ("mutation($c: [AnyCommand!]!) { submit(commands: $c) { type } }", {"c": {}}, 1),
        ("mutation($c: AnyCommand!) { submit(commands: [$c, $c]) { type } }", {"c": {}}, 2),
    ],
)
def test_the_commands_of_a_mutation_are_counted(
    schema: GraphQLSchema, document: str, variables: dict[str, Any] | None, commands: int
) -> None:
    assert operation(schema, document).price.items(variables, PAGES) == commands


def test_fragments_that_spread_one_another_twice_are_counted_at_once(schema: GraphQLSchema) -> None:
    depth = 50
    fragments = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(depth)]
    last = f"fragment F{depth} on Query {{ accounts(first: 1) {{ {ROW} }} }}"
    text = "\n".join(["{ ...F0 }", *fragments, last])
    before = time.process_time()
    price = operation(schema, text).price
    assert price.of(None, PAGES) == 2**depth * 3
    assert price.items(None, PAGES) == 1
    assert price.most(None, PAGES) == "accounts.edges.node"
    assert time.process_time() - before < 2


def test_the_part_that_costs_most_is_named(schema: GraphQLSchema) -> None:
    text = """{ a: accounts(first: 2) { edges { node { owner } } }
               transfers(first: 50) { edges { node { events(first: 9) { edges { cursor } } } } } }"""
    assert operation(schema, text).price.most(None, PAGES) == "transfers.edges.node.events.edges"


def test_values_of_many_sizes_fill_no_memory(schema: GraphQLSchema) -> None:
    price = operation(schema, f"query($n: Int) {{ accounts(first: $n) {{ {ROW} }} }}").price
    for number in range(1000):
        assert price.of({"n": number}, PAGES) == 1 + min(number, 500) * 2
    assert len(price._known) <= 64
