"""Domains compose into one graph with each of the three tools that gateways use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import pytest

from commander import Domain, new_id
from commander.examples.bank import bank
from commander.schema.build import build_schema
from tests.e2e.federated import PACKAGE, compose
from tests.e2e.nodejs import installed
from tests.schema.shop import Price, shop

depot = Domain("depot")


@depot.event
@dataclass(frozen=True)
class Stored:
    item_id: UUID
    worth: Price


@depot.command
@dataclass(frozen=True)
class Store:
    worth: Price
    item_id: UUID = new_id()


@depot.aggregate(key="item_id")
@dataclass(frozen=True)
class Item:
    def store(self, command: Store) -> Stored:
        return Stored(command.item_id, command.worth)

    def stored(self, event: Stored) -> Item:
        return self


@depot.projection("item", key="item_id")
@dataclass(frozen=True)
class ItemRow:
    """Something in the depot. Its worth is of the same class as the price of an order of the shop."""

    item_id: UUID
    worth: Price

    @classmethod
    def stored(cls, event: Stored) -> ItemRow:
        return cls(event.item_id, event.worth)


TOOLS = ("@apollo/composition", "@theguild/federation-composition", "@wundergraph/composition")


@cache
def composed(*, subgraphs: bool) -> Mapping[str, Any]:
    installed(PACKAGE)
    return compose(
        [
            {"name": one.name, "url": f"http://{one.name}", "sdl": build_schema(one, subgraph=subgraphs).sdl}
            for one in (bank, shop, depot)
        ]
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_three_domains_compose_into_one_graph(tool: str) -> None:
    assert composed(subgraphs=True)[tool]["errors"] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_schemas_that_stand_alone_do_not_compose(tool: str) -> None:
    assert composed(subgraphs=False)[tool]["errors"]
