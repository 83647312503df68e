"""Queries of rows, executed: how many statements they take, and what the response says beside the data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables
from commander.examples.bank import bank
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.projections.projecting import Projector
from tests.schema.built import bank_schema
from tests.streaming.conftest import running
from tests.streaming.filling import fill

SCHEMA = bank_schema()


async def executed(services: Services, document: str, **variables: Any) -> Any:
    return await SCHEMA.execute(document, variables, Context(services))


async def data(services: Services, document: str, **variables: Any) -> dict[str, Any]:
    result = await executed(services, document, **variables)
    assert result.errors is None, result.errors
    found: dict[str, Any] = result.data
    return found


@asynccontextmanager
async def statements(services: Services) -> AsyncIterator[list[str]]:
    """Those that are sent to Postgres meanwhile, through the one connection that there is."""
    asked: list[str] = []

    def log(record: Any) -> None:
        asked.append(record.query)

    async with services.database.connection() as connection:
        raw: Any = connection
        raw.add_query_logger(log)
    yield asked
    async with services.database.connection() as connection:
        raw = connection
        raw.remove_query_logger(log)


async def filled(services: Services, database_url: str, accounts: int) -> Services:
    """These many accounts, projected; and a pool of one connection to read them through."""
    table = services.tables["account"]
    await ensure_tables(services.database, services.tables.values())
    await fill(services.database, accounts)
    async with running(Projector(bank, services.database, services.nats, table).run()):
        assert not await services.progress.reach({"account": accounts}, 20)
    return replace(services, database=Database(database_url, max_connections=1))


ROWS = """query ($first: Int) { accounts(first: $first) {
  edges { node { accountId events { edges { cursor node { stream type } } pageInfo { hasNextPage } } } }
} }"""


@pytest.mark.parametrize("accounts", [1, 100])
async def test_rows_with_their_events_are_two_statements_however_many_they_are(
    services: Services, database_url: str, accounts: int
) -> None:
    services = await filled(services, database_url, accounts)
    await data(services, ROWS)  # the driver asks about types, once for each connection
    async with statements(services) as asked:
        found = await data(services, ROWS, first=accounts)
    assert len(asked) == 2, asked
    nodes = [edge["node"] for edge in found["accounts"]["edges"]]
    assert len(nodes) == accounts
    for node in nodes:
        [edge] = node["events"]["edges"]
        assert edge["node"]["stream"] == f"account-{node['accountId']}"
        assert (edge["cursor"], edge["node"]["type"]) == ("1", "AccountOpened")
    await services.database.close()


async def test_what_is_not_selected_is_not_asked_for(services: Services, database_url: str) -> None:
    services = await filled(services, database_url, 3)
    cursor = (await data(services, "{ accounts(first: 1) { pageInfo { endCursor } } }"))["accounts"]
    selected = {
        "edges { cursor } pageInfo { hasNextPage startCursor endCursor }": 1,
        "edges { cursor } pageInfo { hasPreviousPage }": 2,
        "edges { cursor } totalCount": 2,
    }
    for selection, count in selected.items():
        document = f"query ($after: String) {{ accounts(after: $after) {{ {selection} }} }}"
        async with statements(services) as asked:
            await data(services, document, after=cursor["pageInfo"]["endCursor"])
        assert len(asked) == count, asked
    await services.database.close()


async def test_the_events_of_a_row_are_read_on_from_a_version(services: Services, database_url: str) -> None:
    services = await filled(services, database_url, 1)
    document = """query ($first: Int! = 10, $after: String) { accounts { edges { node {
      events(first: $first, after: $after) {
        edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } } }"""

    async def page(**variables: Any) -> Any:
        return (await data(services, document, **variables))["accounts"]["edges"][0]["node"]["events"]

    whole = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": "1", "endCursor": "1"}
    assert await page() == {"edges": [{"cursor": "1"}], "pageInfo": whole}
    assert (await page(first=0))["pageInfo"]["hasNextPage"] is True
    end = {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None}
    assert await page(after="1") == {"edges": [], "pageInfo": end}
    for variables, argument in (
        ({"after": "x"}, "events.after"),
        ({"after": "-1"}, "events.after"),
        ({"after": str(2**31)}, "events.after"),
        ({"first": 501}, "first"),
    ):
        [error] = (await executed(services, document, **variables)).errors
        assert error.extensions == {"code": "BAD_REQUEST", "argument": argument}
    await services.database.close()


async def test_more_events_than_an_answer_should_hold_are_refused_with_the_limit(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 30)
    document = "{ accounts { edges { node { events(first: 400) { edges { cursor } } } } } }"
    result = await executed(services, document)
    assert {error.message for error in result.errors} == {
        "events.first: 30 rows with up to 12000 events exceed the limit of 10000 events"
    }
    await services.database.close()


async def test_a_response_says_how_far_each_projection_is_that_it_read(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 3)
    result = await executed(services, "{ accounts { totalCount } again: accounts(first: 1) { totalCount } }")
    assert result.extensions == {"projections": {"account": {"position": "3", "lag": 0}}}
    assert (await executed(services, "{ __typename }")).extensions is None
    behind = await executed(services, "{ transfers { totalCount } }")
    assert behind.extensions == {"projections": {"transfer": {"position": "0", "lag": 3}}}
    await services.database.close()


async def test_operations_at_the_same_time_on_one_connection_each_say_what_they_read(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 3)
    context = Context(services)
    documents = ["{ accounts { totalCount } }", "{ transfers { totalCount } }", "{ __typename }"] * 5
    results = await asyncio.gather(*(SCHEMA.execute(document, {}, context) for document in documents))
    told = [set((result.extensions or {}).get("projections", ())) for result in results]
    assert told == [{"account"}, {"transfer"}, set()] * 5
    await services.database.close()


async def test_what_was_asked_for_and_is_not_there_is_told_with_its_numbers(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 3)
    document = "query ($p: Position) { transfers(atLeast: $p, timeoutMs: 1) { totalCount } }"
    [error] = (await executed(services, document, p="2")).errors
    assert error.extensions == {
        "code": "PROJECTION_BEHIND",
        "projection": "transfer",
        "position": "0",
        "wanted": "2",
    }
    [error] = (await executed(services, document, p="4")).errors
    assert error.extensions == {"code": "BAD_REQUEST", "argument": "atLeast", "head": "3"}
    await services.database.close()


async def test_variables_nested_deeper_than_anything_can_be_read_are_refused(services: Services) -> None:
    where: dict[str, Any] = {}
    for _ in range(900):
        where = {"not": where}
    document = "query ($where: AccountWhere) { accounts(where: $where) { totalCount } }"
    [error] = (await executed(services, document, where=where)).errors
    assert error.extensions["code"] == "BAD_REQUEST"


async def test_a_table_that_no_process_keeps_up_is_told_beside_the_rows(
    services: Services, database_url: str
) -> None:
    services = await filled(services, database_url, 2)
    document = "{ accounts(first: 1) { edges { node { owner } } } }"
    found: dict[str, str] = {}
    services = replace(services, table_errors=lambda: found)
    reported = []
    for _ in range(2):
        result = await executed(services, document)
        assert result.errors is None
        reported.append(result.extensions["projections"]["account"].get("error"))
        found["account"] = "the table is read, but no process keeps it up"
    assert reported == [None, "no process keeps its table up with the log"]
