"""Relay reads connections of rows and of links page by page, and deletes records, with no configuration."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from commander.examples.bank import bank
from commander.schema.build import build_schema
from tests.e2e.bank import apply, opened
from tests.e2e.nodejs import PACKAGE, installed, script
from tests.e2e.relay import compiled
from tests.system import System


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module."""
    installed()
    folder = tmp_path_factory.mktemp("relay")
    (folder / "node_modules").symlink_to(PACKAGE / "node_modules")
    (folder / "package.json").write_text('{ "type": "module" }')
    (folder / "schema.graphql").write_text(build_schema(bank).as_str())
    shutil.copy(PACKAGE / "relay" / "pages.js", folder)
    return compiled(folder, "pages", "schema.graphql")


def paid(system: System, source: str, target: str, amounts: range) -> None:
    """Transfers of these amounts, one after another, to their ends."""
    for amount in amounts:
        given = {"sourceId": source, "targetId": target, "amount": f"{amount}.00"}
        apply(system, "requestTransfer", given, wait="SETTLED")


async def test_refetchable_connections_and_deleted_records_work(system: System, pages: Path) -> None:
    owner, other = f"Relay {uuid4()}", f"Other {uuid4()}"
    account = await asyncio.to_thread(opened, system, owner=owner, balance="100.00")
    far = await asyncio.to_thread(opened, system, owner=other, balance="100.00")
    for _ in range(3):
        await asyncio.to_thread(opened, system, owner=owner)
    await asyncio.to_thread(paid, system, account, far, range(1, 6))
    await asyncio.to_thread(paid, system, far, account, range(1, 4))
    async with script(pages, system.url, owner, account) as process:
        printed, _ = await asyncio.wait_for(process.communicate(), 20)
    shown = json.loads(printed)
    found = shown["found"]
    assert found["outgoing"]["pages"] == [2, 4, 5]
    nodes = [edge["node"] for edge in found["outgoing"]["edges"]]
    assert {node["amount"] for node in nodes} == {f"{n}.00" for n in range(1, 6)}
    assert {(node["source"]["owner"], node["source"]["id"], node["target"]["owner"]) for node in nodes} == {
        (owner, shown["id"], other)
    }
    assert found["incoming"]["pages"] == [1, 2, 3]
    assert {edge["node"]["amount"] for edge in found["incoming"]["edges"]} == {f"{n}.00" for n in range(1, 4)}
    assert found["accounts"]["pages"] == [1, 3, 4]
    assert len({edge["node"]["id"] for edge in found["accounts"]["edges"]}) == 4
    assert shown["sent"] == [
        "pagesQuery",
        *["pagesOutgoingQuery"] * 2,
        *["pagesIncomingQuery"] * 2,
        *["pagesAccountsQuery"] * 2,
        "pagesCloseMutation",
    ]
    assert (shown["before"], shown["after"]) == ("EXISTENT", "NONEXISTENT")
