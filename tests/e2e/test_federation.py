"""Two domains behind a gateway: one query, one mutation and one subscription over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest_asyncio

from commander.dev.embedded import EmbeddedNats
from tests.databases import Databases
from tests.e2e.federated import PACKAGE, Gateway, Hive, apollo, compose, hive
from tests.e2e.nodejs import installed
from tests.e2e.parts import Part, Parts
from tests.system import NO_TLS

PARTS = ("api", "processor", "projections")
OPEN = """mutation ($owner: String!) { openAccount(input: {owner: $owner}, options: {wait: PROJECTED}) {
  ... on BankCommandApplied { account { accountId } } } }"""
PLACE = """mutation ($buyer: UUID!, $payer: UUID) { placeOrder(
  input: {buyerId: $buyer, payerId: $payer, price: {amount: "9.50"}}, options: {wait: PROJECTED}) {
  __typename
  ... on ShopCommandApplied { order { orderId size buyer { owner balance } paidBy { owner } } } } }"""
ORDERS = "{ orders { edges { node { orderId price { amount } buyer { accountId owner } } } } }"
NOBODY = "00000000-0000-4000-8000-000000000001"
LIVE = "subscription { orders { position changes { row { orderId buyer { owner balance } } } } }"


@dataclass(frozen=True)
class Graph:
    """Two running subgraphs, and the supergraph that one of the tools made of their texts."""

    bank: Part
    shop: Part
    supergraphs: dict[str, Path]

    def account(self, owner: str) -> str:
        """A new account; its id."""
        account: str = self.bank.data(OPEN, owner=owner)["openAccount"]["account"]["accountId"]
        return account


@pytest_asyncio.fixture
async def graph(databases: Databases, nats_server: EmbeddedNats, tmp_path: Path) -> AsyncIterator[Graph]:
    installed(PACKAGE)
    names = {"commander.examples.bank:bank": "bank", "tests.schema.shop:shop": "shop"}
    taken = {domain: await databases.take() for domain in names}
    settings = {"COMMANDER_FEDERATION": "subgraph"}
    folders = {domain: tmp_path / name for domain, name in names.items()}
    for folder in folders.values():
        folder.mkdir()
    bank_parts, shop_parts = (
        Parts(databases.url(name), nats_server.url, folders[domain], settings)
        for domain, name in taken.items()
    )
    with bank_parts, shop_parts:
        bank, *_ = bank_parts.start(*PARTS)
        shop, *_ = shop_parts.start(*PARTS, domain="tests.schema.shop:shop")
        subgraphs = [
            {"name": name, "url": api.url, "sdl": text_of(api)}
            for name, api in (("bank", bank), ("shop", shop))
        ]
        composed = compose(subgraphs)
        supergraphs = {}
        for tool in ("@apollo/composition", "@theguild/federation-composition"):
            assert composed[tool]["errors"] == []
            supergraphs[tool] = tmp_path / f"{tool.partition('/')[2]}.graphql"
            supergraphs[tool].write_text(composed[tool]["supergraph"], "utf-8")
        yield Graph(bank, shop, supergraphs)
    for name in taken.values():
        databases.give_back(name)


def text_of(api: Part) -> str:
    """The text of a subgraph, as a gateway asks for it; the same as over HTTP."""
    sdl: str = api.data("{ _service { sdl } }")["_service"]["sdl"]
    assert httpx.get(f"{api.url}/schema.graphql", timeout=20, verify=NO_TLS).text == f"{sdl}\n"
    return sdl


async def test_one_graph_over_two_domains_asks_for_all_accounts_of_a_list_together(graph: Graph) -> None:
    ada, bob = graph.account("Ada"), graph.account("Bob")
    async with (
        apollo(graph.supergraphs["@apollo/composition"]) as one,
        hive(graph.supergraphs["@theguild/federation-composition"]) as two,
    ):
        for gateway in (one, two):
            await placed_and_listed(gateway, graph, ada, bob)
        await followed(two, ada)


async def placed_and_listed(gateway: Gateway, graph: Graph, ada: str, bob: str) -> None:
    before = len((await gateway.ask(ORDERS))[0]["data"]["orders"]["edges"])
    answer, _ = await gateway.ask(PLACE, buyer=ada, payer=bob)
    outcome = answer["data"]["placeOrder"]
    assert outcome["__typename"] == "ShopCommandApplied", answer
    assert outcome["order"]["buyer"] == {"owner": "Ada", "balance": "0.00"}
    assert outcome["order"]["paidBy"] == {"owner": "Bob"}
    for buyer in (bob, ada, NOBODY):
        await gateway.ask(PLACE, buyer=buyer)
    answer, asked = await gateway.ask(ORDERS)
    nodes = [edge["node"] for edge in answer["data"]["orders"]["edges"]]
    assert len(nodes) == before + 4
    buyers = [node["buyer"] and node["buyer"]["owner"] for node in nodes]
    assert set(buyers) == {"Ada", "Bob", None}
    gone = [index for index, buyer in enumerate(buyers) if buyer is None]
    told = [error["path"][:5] for error in answer.get("errors", ())]  # some gateways say why it is null
    assert told in ([], [["orders", "edges", index, "node", "buyer"] for index in gone])
    assert [one["url"] for one in asked] == [graph.shop.url, graph.bank.url]
    assert "_entities" in asked[1]["query"]
    keys = [one["accountId"] for one in asked[1]["variables"]["representations"]]
    assert set(keys) == {ada, bob, NOBODY}


async def followed(gateway: Hive, buyer: str) -> None:
    """Each item of a subscription has what other subgraphs say at that moment."""
    async with gateway.subscribed(LIVE) as answers:
        snapshot = await anext(answers)
        assert "data" in snapshot, snapshot
        rows = [change["row"] for change in snapshot["data"]["orders"]["changes"]]
        assert {row["buyer"] and row["buyer"]["owner"] for row in rows} == {"Ada", "Bob", None}
        answer, _ = await gateway.ask(PLACE, buyer=buyer)
        order = answer["data"]["placeOrder"]["order"]["orderId"]
        async for item in answers:
            changed = {
                change["row"]["orderId"]: change["row"] for change in item["data"]["orders"]["changes"]
            }
            if order in changed:
                assert changed[order]["buyer"] == {"owner": "Ada", "balance": "0.00"}
                return
