"""A lineage that is watched shows what waits, though nobody tells of it; what has settled is left alone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.examples.bank.messages import Deposit, OpenAccount
from commander.resolvers.lineage import Lineage, find_lineage
from commander.resolvers.services import Services
from commander.streaming.commands.pending_by_id import pending_command, unschedule
from tests.resolvers.conftest import servers, services
from tests.schema.lineages import (
    Looks,
    Tree,
    deciding,
    fed,
    projecting,
    reacted_to,
    reactors,
    requested,
    shown,
    until_logged,
    until_settled,
    watch,
)
from tests.streaming.conftest import Bank, running

__all__ = ["servers", "services"]


async def test_each_answer_of_a_subscription_looks_for_itself(servers: Bank, services: Services) -> None:
    transfer = await requested(servers)
    document = """subscription ($id: UUID!) { lineage(commandId: $id) {
      root { events { event { reactions { command { type status } } } } } } }"""
    async with fed(servers, services), aclosing(watch(services, transfer, document)) as trees:
        assert reactions_in(await anext(trees)) == []
        async with running(reactors(servers).run()):
            async for tree in trees:
                if len(reactions_in(tree)) == 2:
                    break
    assert reactions_in(tree) == [
        {"command": {"type": "WithdrawForTransfer", "status": "ACCEPTED"}},
        {"command": {"type": "ExpireTransfer", "status": "SCHEDULED"}},
    ]


def reactions_in(tree: Tree) -> list[Any]:
    [event] = tree["root"]["events"]
    return list(event["event"]["reactions"])


async def test_a_watcher_sees_a_reaction_wait_though_nobody_tells_of_it(
    servers: Bank, services: Services
) -> None:
    transfer = await requested(servers)
    async with fed(servers, services), aclosing(watch(services, transfer)) as trees:
        assert shown(await anext(trees)) == [(0, "RequestTransfer", "APPLIED")]
        async with running(reactors(servers).run()), asyncio.timeout(30):
            async for tree in trees:
                if len(shown(tree)) == 3:
                    break
    assert shown(tree)[1:] == [(1, "WithdrawForTransfer", "ACCEPTED"), (1, "ExpireTransfer", "SCHEDULED")]


async def test_that_all_has_ended_is_not_told_before_the_projections_show_it(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def found(*arguments: Any) -> Lineage:
        lineage = await find_lineage(*arguments)
        if lineage.ended:
            ended.set()
        return lineage

    monkeypatch.setattr("commander.resolvers.lineage_watch.find_lineage", found)
    transfer = await requested(servers)
    seen: list[Tree] = []

    async def watched() -> None:
        async with aclosing(watch(services, transfer)) as trees:
            async for tree in trees:
                seen.append(tree)
                if tree["settled"]:
                    return

    async with fed(servers, services), asyncio.timeout(20):
        watcher = asyncio.create_task(watched())
        async with deciding(servers):
            await ended.wait()
        async with running(projecting(servers, services)):
            await watcher
    assert [tree["settled"] for tree in seen[-2:]] == [False, True]
    assert len({str(tree) for tree in seen}) == len(seen)


async def test_a_watcher_looks_now_and_then_while_something_is_under_way(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.resolvers.lineage_watch._LONGEST_POLL_SECONDS", 0.2)
    transfer = await reacted_to(servers)
    looks = Looks(monkeypatch, "commander.resolvers.lineage")
    async with fed(servers, services), aclosing(watch(services, transfer)) as trees:
        tree = await anext(trees)
        command_id = UUID(tree["commands"][2]["command"]["commandId"])
        deadline = await pending_command(servers.nats, servers.database, command_id)
        assert deadline is not None
        more = asyncio.ensure_future(anext(trees))
        await looks.until(4)
        await unschedule(servers.nats, [deadline])
        tree = await asyncio.wait_for(more, 5)
    assert shown(tree)[1:] == [(1, "WithdrawForTransfer", "ACCEPTED")]


async def test_a_process_is_watched_from_what_waits_until_it_has_settled(
    servers: Bank, services: Services
) -> None:
    transfer = await reacted_to(servers)
    seen: list[tuple[Tree, list[tuple[int, str, str]]]] = []
    async with fed(servers, services), aclosing(watch(services, transfer)) as trees:
        tree = await anext(trees)
        seen.append((tree, shown(tree)))
        async with deciding(servers), running(projecting(servers, services)):
            async for tree in trees:
                seen.append((tree, shown(tree)))
                if tree["settled"]:
                    break
    stood = {
        type_: {status for _, s in seen for _, t, status in s if t == type_} for _, type_, _ in seen[0][1]
    }
    assert stood == {
        "RequestTransfer": {"APPLIED"},
        "WithdrawForTransfer": {"ACCEPTED", "APPLIED"},
        "ExpireTransfer": {"SCHEDULED"},
    }
    assert [type_ for _, type_, _ in seen[-1][1]] == [
        "RequestTransfer",
        "WithdrawForTransfer",
        "RecordWithdrawal",
        "DepositFromTransfer",
        "RecordDeposit",
    ]
    assert {status for _, _, status in seen[-1][1]} == {"APPLIED"}


async def test_of_a_tree_that_has_settled_nothing_is_asked(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = await reacted_to(servers)
    async with deciding(servers), running(projecting(servers, services)):
        await until_logged(servers, "TransferCompleted")
        await until_settled(services, transfer)
    monkeypatch.setattr("commander.resolvers.lineage_watch._FIRST_POLL_SECONDS", 0.01)
    monkeypatch.setattr("commander.resolvers.lineage_watch._LONGEST_POLL_SECONDS", 0.01)
    looks = Looks(monkeypatch, "commander.resolvers.lineage")
    async with (
        running(servers.processor().run()),
        fed(servers, services),
        aclosing(watch(services, transfer)) as trees,
    ):
        assert (await anext(trees))["settled"]
        more = asyncio.ensure_future(anext(trees))
        for _ in range(20):  # of other correlations
            await servers.outcome(await servers.submit(Deposit(uuid4(), Decimal(1))))
        looked = looks.count
        more.cancel()
        await asyncio.gather(more, return_exceptions=True)
    assert looked == 1


async def test_a_projection_that_moves_while_the_tree_is_read_is_not_missed(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before_they_moved(services: Services) -> dict[str, int]:
        async with asyncio.timeout(30):
            while any(services.progress.position_of(name) == 0 for name in services.tables):
                await asyncio.sleep(0.01)
        return {}

    opened = await servers.submit(OpenAccount("Ada", uuid4()))
    async with fed(servers, services), aclosing(watch(services, opened)) as trees:
        assert not (await anext(trees))["settled"]
        monkeypatch.setattr("commander.resolvers.lineage_watch.find_positions", before_they_moved)
        async with (
            running(projecting(servers, services)),
            running(servers.processor().run()),
            asyncio.timeout(30),
        ):
            async for tree in trees:
                if tree["settled"]:
                    break
