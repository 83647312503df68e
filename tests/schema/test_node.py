"""Objects by their ids: rows, commands and events, of one type or of many, in few statements."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from commander import DefinitionError
from commander.resolvers.node_ids import command_id, event_id
from commander.resolvers.services import Services
from tests.resolvers.test_node_ids import encoded
from tests.schema.test_build import handler, rows_of, small
from tests.schema.test_projections import data, executed, filled, statements

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = """query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id
  ... on Account { accountId owner } ... on Command { commandId type } ... on Event { position type } } }"""
SHOWN = """{ accounts(first: 5) { edges { node { __typename id accountId owner } } }
  events(first: 5) { edges { node { __typename id position type command_: commandId } } }
  commands(first: 5) { edges { node { __typename id commandId type } } } }"""


async def test_each_object_is_found_again_by_the_id_that_it_shows(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 5)
    shown = await data(services, SHOWN)
    objects = [edge["node"] for listed in shown.values() for edge in listed["edges"]]
    for one in objects:
        one.pop("command_", None)
    assert {one["__typename"] for one in objects} == {"Account", "AccountOpened", "Command"}
    ids = [one["id"] for one in objects]
    assert len(set(ids)) == len(ids) == 15
    await data(services, NODES, ids=ids)  # the driver asks about types, once for each connection
    async with statements(services) as asked:
        assert (await data(services, NODES, ids=ids))["nodes"] == objects
    assert len(asked) == 3, asked
    for one in objects:
        found = await data(services, NODE, id=one["id"])
        assert found["node"] == {"__typename": one["__typename"], "id": one["id"]}


async def test_an_id_of_nothing_is_null_and_one_of_no_form_is_an_error(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 1)
    nothing = [
        encoded(f"row:account:{uuid4()}"),
        encoded("row:gone:x"),
        command_id(uuid4()),
        event_id(2**40, services.epochs),
        encoded("event:2.1"),
    ]
    assert (await data(services, NODES, ids=nothing))["nodes"] == [None] * len(nothing)
    result = await executed(services, NODE, id="nonsense")
    assert result.data == {"node": None}
    [error] = result.errors
    assert error.extensions == {"code": "BAD_REQUEST", "argument": "id"}
    [error] = (await executed(services, NODES, ids=[nothing[0], "x"])).errors
    assert error.extensions == {"code": "BAD_REQUEST", "argument": "ids"}
    [error] = (await executed(services, NODES, ids=nothing[:1] * 501)).errors
    assert error.message == "ids: at most 500 at once; got 501"


async def test_a_row_s_text_key_that_postgres_cannot_store_is_null(services: Services) -> None:
    assert (await data(services, NODE, id=encoded("row:gone:\0")))["node"] is None


def test_a_column_named_id_is_an_error_with_its_place() -> None:
    domain = small()
    begun = domain.events["Begun"].cls
    columns: dict[str, Any] = {"id": str}
    with pytest.raises(DefinitionError, match=r"Row\.id: the name id is taken by the API") as raised:
        rows_of(domain, {"begun": handler(begun)}, **columns)
    assert str(raised.value).count(":") >= 2
    with pytest.raises(DefinitionError, match=r"Begun\.id: the name id is taken by the API"):
        small(key="id")
