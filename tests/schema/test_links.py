"""Links between rows: from a transfer to its accounts, and from an account to its transfers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from commander.eventstore.database import Database
from commander.examples.bank import bank
from commander.examples.bank.projections import AccountRow, TransferRow
from commander.examples.bank.transfers import TransferStatus
from commander.resolvers.node_ids import row_id
from commander.resolvers.services import Limits, Services
from tests.resolvers.rows import store
from tests.schema.test_projections import data, executed, statements

ACCOUNTS = [
    AccountRow(UUID(int=n), owner, Decimal(10 * n))
    for n, owner in enumerate(("alice", "bob", "alice", "eve"), 1)
]
GONE = UUID(int=99)
"""Of no account, although a transfer refers to it."""
TRANSFERS = [
    TransferRow(UUID(int=100 + n), UUID(int=source), UUID(int=target), Decimal(n), status)
    for n, (source, target, status) in enumerate(
        [
            (1, 2, TransferStatus.COMPLETED),
            (1, 3, TransferStatus.REFUSED),
            (2, 1, TransferStatus.COMPLETED),
            (1, 2, TransferStatus.REQUESTED),
            (3, 99, TransferStatus.COMPLETED),
            (99, 4, TransferStatus.COMPLETED),
        ]
    )
]


@pytest_asyncio.fixture
async def bankers(services: Services, database_url: str) -> AsyncIterator[Services]:
    """Services with these rows, and a pool of one connection to read them through."""
    await store(services, "account", ACCOUNTS)
    await store(services, "transfer", TRANSFERS)
    services = replace(services, database=Database(database_url, max_connections=1))
    yield services
    await services.database.close()


def nodes(connection: dict[str, Any]) -> list[Any]:
    return [edge["node"] for edge in connection["edges"]]


def numbers(connection: dict[str, Any]) -> list[int]:
    return [UUID(node["transferId"]).int - 100 for node in nodes(connection)]


async def test_a_transfer_leads_to_its_accounts_and_one_that_is_not_there_is_null(bankers: Services) -> None:
    document = "{ transfers { edges { node { sourceId source { accountId owner } target { owner } } } } }"
    await data(bankers, document)  # the driver asks about types, once for each connection
    async with statements(bankers) as asked:
        found = nodes((await data(bankers, document))["transfers"])
    assert len(asked) == 2, asked
    owners = {str(row.account_id): row.owner for row in ACCOUNTS}
    for node, row in zip(found, TRANSFERS, strict=True):
        owner = owners.get(node["sourceId"])
        assert node["source"] == (owner and {"accountId": node["sourceId"], "owner": owner})
        assert node["target"] == ({"owner": owners[str(row.target_id)]} if row.target_id != GONE else None)


NESTED = """query ($after: String, $before: String, $first: Int, $last: Int) { accounts { edges { node { owner
  outgoing(first: $first, last: $last, after: $after, before: $before, where: {status: {ne: REFUSED}}) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { transferId source { owner }
      target { owner incoming { edges { node { transferId } } } } } } }
} } } }"""


async def test_the_lists_of_all_accounts_are_one_statement_for_each_level(bankers: Services) -> None:
    whole = nodes((await data(bankers, NESTED))["accounts"])
    async with statements(bankers) as asked:
        assert nodes((await data(bankers, NESTED))["accounts"]) == whole
    # accounts; pages and counts of outgoing; the accounts of both ends; pages of incoming
    assert len(asked) == 5, asked
    assert [numbers(node["outgoing"]) for node in whole] == [[0, 3], [2], [4], []]
    assert [node["outgoing"]["totalCount"] for node in whole] == [2, 1, 1, 0]
    target = nodes(whole[0]["outgoing"])[0]["target"]
    assert (target["owner"], numbers(target["incoming"])) == ("bob", [0, 3])
    begin = nodes(whole[0:1][0]["outgoing"]) and whole[0]["outgoing"]["edges"][0]["cursor"]
    async with statements(bankers) as asked:
        behind = nodes((await data(bankers, NESTED, first=1, after=begin))["accounts"])
    assert len(asked) == 6, "and what comes before each page"
    assert [numbers(node["outgoing"]) for node in behind] == [[3], [2], [4], []]
    assert [node["outgoing"]["pageInfo"]["hasPreviousPage"] for node in behind] == [True, False, False, False]
    ahead = nodes(
        (await data(bankers, NESTED, last=1, before=behind[0]["outgoing"]["pageInfo"]["endCursor"]))[
            "accounts"
        ]
    )
    assert [numbers(node["outgoing"]) for node in ahead] == [[0], [2], [], []]
    assert [node["outgoing"]["pageInfo"]["hasNextPage"] for node in ahead] == [True, False, True, False]


async def test_a_list_is_walked_both_ways_and_in_the_orders_that_it_has(bankers: Services) -> None:
    document = """query ($id: UUID!, $by: [TransferOrder!],
        $first: Int, $last: Int, $after: String, $before: String) { account(accountId: $id) {
      outgoing(first: $first, last: $last, after: $after, before: $before, orderBy: $by) {
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        edges { cursor node { transferId } } } } }"""

    async def page(**given: Any) -> Any:
        return (await data(bankers, document, id=str(UUID(int=1)), **given))["account"]["outgoing"]

    first = await page(first=2)
    assert (numbers(first), first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (
        [0, 1],
        True,
        False,
    )
    second = await page(first=2, after=first["pageInfo"]["endCursor"])
    assert (numbers(second), second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (
        [3],
        False,
        True,
    )
    assert numbers(await page(last=2)) == [1, 3]
    assert numbers(await page(last=2, before=second["pageInfo"]["startCursor"])) == [0, 1]
    assert numbers(await page(by=[{"column": "TRANSFER_ID", "direction": "DESC"}])) == [3, 1, 0]
    result = await executed(bankers, document, id=str(UUID(int=1)), by=[{"column": "SOURCE_ID"}])
    [error] = result.errors
    assert error.extensions == {"code": "BAD_REQUEST", "argument": "orderBy"}
    assert error.message == "orderBy: no index has this order; the indexes are: transferId"
    other = (await data(bankers, "{ transfers { pageInfo { endCursor } } }"))["transfers"]["pageInfo"][
        "endCursor"
    ]
    [error] = (await executed(bankers, document, id=str(UUID(int=1)), after=other)).errors
    assert "is not a cursor of Account.outgoing; it is a cursor of transfers" in error.message


WHERE = (
    "query ($where: TransferWhere) { transfers(where: $where) { totalCount edges { node { transferId } } } }"
)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"source": {"owner": {"eq": "alice"}}}, [0, 1, 3, 4]),
        ({"source": {"owner": {"eq": "alice"}}, "target": {"owner": {"eq": "bob"}}}, [0, 3]),
        ({"source": {"balance": {"gt": "15"}}, "status": {"eq": "COMPLETED"}}, [2, 4]),
        ({"source": {}}, [0, 1, 2, 3, 4]),
        ({"not": {"target": {"owner": {"ne": "bob"}}}}, [0, 3, 4]),
        ({"or": [{"target": {"owner": {"eq": "eve"}}}, {"sourceId": {"eq": str(UUID(int=2))}}]}, [2, 5]),
    ],
    ids=str,
)
async def test_a_list_is_filtered_by_what_its_links_lead_to(
    bankers: Services, where: dict[str, Any], expected: list[int]
) -> None:
    result = await executed(bankers, WHERE, where=where)
    assert result.errors is None
    assert numbers(result.data["transfers"]) == expected
    assert result.data["transfers"]["totalCount"] == len(expected)
    assert set(result.extensions["projections"]) == {"account", "transfer"}
    document = """query ($where: TransferWhere) { accounts { edges { node {
      outgoing(where: $where) { totalCount edges { node { transferId } } } } } } }"""
    for node, account in zip(
        nodes((await data(bankers, document, where=where))["accounts"]), ACCOUNTS, strict=True
    ):
        own = [n for n in expected if TRANSFERS[n].source_id == account.account_id]
        assert numbers(node["outgoing"]) == own
        assert node["outgoing"]["totalCount"] == len(own)


async def test_a_null_below_a_link_is_refused_with_its_place(bankers: Services) -> None:
    for where, place in (
        ({"source": None}, "where.source"),
        ({"or": [{"source": {"owner": {"eq": None}}}]}, "where.or[0].source.owner.eq"),
        ({"source": {"owner": {"in": ["x"] * 1001}}}, "where.source.owner.in"),
    ):
        [error] = (await executed(bankers, WHERE, where=where)).errors
        assert error.extensions == {"code": "BAD_REQUEST", "argument": place}


async def test_links_count_in_the_size_of_an_answer(bankers: Services) -> None:
    document = "{ transfers { edges { node { source { owner } target { owner } } } } }"
    for limit, refused in ((18, False), (17, True)):
        result = await executed(replace(bankers, limits=Limits(max_answer_items=limit)), document)
        assert bool(result.errors) is refused
    lists = "{ accounts { edges { node { outgoing { edges { cursor } } } } } }"
    assert not (await executed(replace(bankers, limits=Limits(max_answer_items=9)), lists)).errors
    for limit in (8, 5):
        result = await executed(replace(bankers, limits=Limits(max_answer_items=limit)), lists)
        assert result.data is None
        assert [error.extensions for error in result.errors] == [{"code": "ANSWER_TOO_LARGE", "limit": limit}]


async def test_the_rows_of_a_level_that_exceeds_the_limit_are_not_read(bankers: Services) -> None:
    few = replace(bankers, limits=Limits(max_answer_items=5))
    async with statements(bankers) as asked:
        await executed(few, "{ accounts { edges { node { outgoing { edges { cursor } } } } } }")
    assert "limit" in asked[-1], asked


async def test_a_node_has_links(bankers: Services) -> None:
    ids = [
        row_id(bank.projections["transfer"], TRANSFERS[0]),
        row_id(bank.projections["account"], ACCOUNTS[0]),
    ]
    document = """query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Transfer { source { id owner } }
      ... on Account { id outgoing { totalCount } } } }"""
    found = (await data(bankers, document, ids=ids))["nodes"]
    assert found == [
        {"source": {"id": ids[1], "owner": "alice"}},
        {"id": ids[1], "outgoing": {"totalCount": 3}},
    ]
