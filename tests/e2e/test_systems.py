"""Two systems on one NATS: with two names they live beside each other, with one the second is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest_asyncio

from commander.cli.parts import PARTS
from commander.dev.embedded import EmbeddedNats
from tests.databases import Databases
from tests.e2e.bank import apply, submit, until
from tests.e2e.parts import Part, Parts
from tests.faults.part_process import PartProcess

Start = Callable[[], Parts]


@pytest_asyncio.fixture
async def systems(
    databases: Databases, nats_server: EmbeddedNats, tmp_path: Path
) -> AsyncIterator[tuple[Parts, Parts]]:
    """Two databases on one NATS, with nothing running on them yet."""
    names = [await databases.take() for _ in range(2)]
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir()
    one, two = [
        Parts(databases.url(name), nats_server.url, folder)
        for name, folder in zip(names, folders, strict=True)
    ]
    with one, two:
        yield one, two
    for name in names:
        databases.give_back(name)


ALL = ("api", "processor", "relay", "projections", "reactors")
LOG = """{ events(first: 500) { edges { node { stream commandId } } } }"""


def test_two_systems_decide_their_own_commands_under_the_same_ids(systems: tuple[Parts, Parts]) -> None:
    one, two = systems
    (first, *_), (second, *_) = [
        parts.start(*ALL, COMMANDER_SYSTEM=name) for parts, name in ((one, "production"), (two, "staging"))
    ]
    ids = [str(uuid4()) for _ in range(12)]
    accounts = {api: [str(uuid4()) for _ in ids] for api in (first, second)}

    def client(api: Part, n: int) -> dict[str, Any]:
        opening = {"owner": f"Ada at {api.port}", "accountId": accounts[api][n]}
        return submit(api, "openAccount", opening, commandId=ids[n], wait="PROJECTED", timeoutMs=20_000)

    with ThreadPoolExecutor(24) as pool:
        answers = {api: list(pool.map(partial(client, api), range(len(ids)))) for api in (first, second)}
    for api in (first, second):
        assert [answer["__typename"] for answer in answers[api]] == ["CommandApplied"] * len(ids)
        log = [edge["node"] for edge in api.data(LOG)["events"]["edges"]]
        assert sorted(node["stream"] for node in log) == sorted(f"account-{a}" for a in accounts[api])
        assert sorted(node["commandId"] for node in log) == sorted(ids)
        owners = api.data("{ accounts(first: 100) { nodes: edges { node { owner } } } }")["accounts"]["nodes"]
        assert {row["node"]["owner"] for row in owners} == {f"Ada at {api.port}"}
    transfer(first, *accounts[first][:2])
    assert len(second.data(LOG)["events"]["edges"]) == len(ids)


def transfer(api: Part, source: str, target: str) -> None:
    """A process of the bank that reactors bring to its end."""
    apply(api, "deposit", {"accountId": source, "amount": "5.00"})
    apply(api, "requestTransfer", {"sourceId": source, "targetId": target, "amount": "5.00"})
    balance = "query ($id: UUID!) { account(accountId: $id) { balance } }"
    until(lambda: api.data(balance, id=target)["account"], lambda row: row["balance"] == "5.00")


def test_every_part_of_a_second_system_of_the_same_name_is_refused_in_one_sentence(
    systems: tuple[Parts, Parts], tmp_path: Path
) -> None:
    one, two = systems
    api, _ = one.start("api", "processor")
    refused = {}
    for name in PARTS:
        folder = tmp_path / f"refused-{name}"
        folder.mkdir()
        refused[name] = PartProcess(name, folder, {**two.environment, "COMMANDER_PORT": "0"})
        refused[name].__enter__()
    try:
        for name, part in refused.items():
            assert part.process.wait(timeout=60) == 1, name
            [said] = part.lines("commander: ")
            assert said.startswith("commander: the stream bank-COMMANDS belongs to another system"), said
            assert "give one of the two another name with COMMANDER_SYSTEM" in said
            assert not part.lines("Traceback")
    finally:
        for part in refused.values():
            part.__exit__(None, None, None)
    applied = submit(api, "openAccount", {"owner": "Ada", "accountId": str(uuid4())}, timeoutMs=20_000)
    assert applied["__typename"] == "CommandApplied"
