"""Lineage as a client asks for it: in few statements, as a tree with timings, and while it grows."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from commander.eventstore.reactions.parked import Failure, store_parked
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.log.relay import Relay
from tests.resolvers.conftest import servers, services
from tests.schema.lineages import (
    LINEAGE,
    SCHEMA,
    TREE,
    WATCHED,
    Counting,
    accounts,
    asked,
    deciding,
    projecting,
    refused,
    transferred,
    until_logged,
    until_settled,
    watch,
)
from tests.streaming.conftest import Bank, running

__all__ = ["servers", "services"]

COMMAND = """query ($id: UUID!) { command(commandId: $id) { type events { type reactions { reactor command {
  type events { type reactions { command { type events { type reactions { command { type } } } } } }
} } } } }"""


async def test_a_command_shows_what_reactors_made_of_its_events(servers: Bank, services: Services) -> None:
    source, target = uuid4(), uuid4()
    async with deciding(servers):
        await accounts(servers, source, target)
        transfer = await servers.submit(RequestTransfer(source, target, Decimal(20)))
        await until_logged(servers, "TransferCompleted")
    found = await asked(services, COMMAND, id=str(transfer))
    assert [event["type"] for event in found["events"]] == ["TransferRequested"]
    [reaction] = found["events"][0]["reactions"]
    assert (reaction["reactor"], reaction["command"]["type"]) == ("transfers", "WithdrawForTransfer")
    [withdrawn] = reaction["command"]["events"]
    assert withdrawn["type"] == "MoneyWithdrawn"
    assert withdrawn["reactions"][0]["command"]["type"] == "RecordWithdrawal"


async def test_reactions_of_many_commands_take_as_many_statements_as_those_of_one(
    servers: Bank, services: Services
) -> None:
    await transferred(servers, 5)
    counting = Counting(servers.database.url)
    watched = replace(services, database=counting)
    document = """query ($first: Int!, $types: [String!]) {
      commands(first: $first, filter: {types: $types}) { edges { node { events { reactions { command {
        type events { type reactions { command { type } } } } } } } } } }"""
    counts = []
    for first in (1, 5):
        counting.asked = 0
        edges = (await asked(watched, document, first=first, types=["RequestTransfer"]))["edges"]
        counts.append(counting.asked)
        shown = [event["reactions"] for edge in edges for event in edge["node"]["events"]]
        assert [len(one) for one in shown] == [1] * first
    assert counts == [6, 6], (
        "commands, their events, the queue's progress, reactions to these, their events, reactions to those"
    )
    counting.asked = 0
    request = (
        await asked(
            watched, '{ commands(filter: {types: ["RequestTransfer"]}) { edges { node { commandId } } } }'
        )
    )["edges"][0]["node"]["commandId"]
    counting.asked = 0
    tree = await asked(watched, LINEAGE + TREE, id=request)
    assert len(tree["commands"]) == 5
    assert counting.asked == 6, (
        "the root, the reactors, the queue's progress, the commands, their events, the projections"
    )
    await counting.close()


async def test_a_lineage_is_the_whole_tree_with_what_was_refused_and_made_up_for(
    servers: Bank, services: Services
) -> None:
    source = uuid4()
    async with deciding(servers):
        await accounts(servers, source)
        transfer = await servers.submit(RequestTransfer(source, uuid4(), Decimal(20)))
        await until_logged(servers, "TransferReturned")
    found = await asked(services, LINEAGE + TREE, id=str(transfer))
    shown = [
        (
            one["depth"],
            one["command"]["type"],
            one["command"]["status"],
            [e["event"]["type"] for e in one["events"]],
        )
        for one in found["commands"]
    ]
    assert shown == [
        (0, "RequestTransfer", "APPLIED", ["TransferRequested"]),
        (1, "WithdrawForTransfer", "APPLIED", ["MoneyWithdrawn"]),
        (2, "RecordWithdrawal", "APPLIED", ["TransferWithdrawn"]),
        (3, "DepositFromTransfer", "REJECTED", ["ReactionRejected"]),
        (4, "RecordRefusal", "APPLIED", ["TransferReturning"]),
        (5, "ReturnFromTransfer", "APPLIED", ["MoneyReturned"]),
        (6, "RecordReturn", "APPLIED", ["TransferReturned"]),
    ]
    assert found["correlationId"] == str(transfer)
    assert found["root"]["events"][0]["reactions"] == [
        {"command": {"type": "WithdrawForTransfer", "status": "APPLIED"}}
    ]
    head = (await servers.log())[-1]
    assert found["position"] == str(head.position)
    since = [one["sinceSubmittedMs"] for one in found["commands"]]
    assert since == sorted(since)
    assert found["durationMs"] == since[-1] == found["commands"][-1]["events"][0]["sinceSubmittedMs"]
    first = found["commands"][0]
    assert first["waitedMs"] == first["sinceSubmittedMs"] > 0
    assert first["events"][0]["recordedAt"] == first["decidedAt"]
    assert (found["settled"], found["truncated"]) == (False, False), "no projection runs"


async def test_a_lineage_is_cut_at_its_bounds_and_says_so(servers: Bank, services: Services) -> None:
    source, target = uuid4(), uuid4()
    async with deciding(servers):
        await accounts(servers, source, target)
        transfer = str(await servers.submit(RequestTransfer(source, target, Decimal(20))))
        await until_logged(servers, "TransferCompleted")
    for bounds, count in (({"depth": 1}, 2), ({"first": 3}, 3), ({"depth": 4}, 5)):
        found = await asked(services, LINEAGE + TREE, id=transfer, **bounds)
        assert (len(found["commands"]), found["truncated"]) == (count, count < 5)
    assert await refused(services, LINEAGE + TREE, id=str(uuid4())) == {"code": "NOT_FOUND"}
    for wrong in ({"depth": -1}, {"depth": 101}, {"first": 0}, {"first": 1001}):
        error = await refused(services, LINEAGE + TREE, id=transfer, **wrong)
        assert error == {"code": "BAD_REQUEST", "argument": next(iter(wrong))}


async def test_a_process_is_watched_from_its_queued_command_until_all_projections_show_it(
    servers: Bank, services: Services
) -> None:
    source, target = uuid4(), uuid4()
    async with running(servers.processor().run()):
        await accounts(servers, source, target)
    transfer = await servers.submit(RequestTransfer(source, target, Decimal(20)))
    seen: list[dict[str, Any]] = []
    async with (
        running(services.feed.run()),
        asyncio.timeout(30),
        aclosing(watch(services, transfer)) as trees,
    ):
        seen.append(await anext(trees))
        async with running(Relay(servers.database, servers.nats).run()), deciding(servers):
            async for tree in trees:
                seen.append(tree)
                if [one["decidedAt"] is not None for one in tree["commands"]] == [True] * 5:
                    break
            async with running(projecting(servers, services)):
                async for tree in trees:
                    seen.append(tree)
                    if tree["settled"]:
                        break
    assert [one["command"]["status"] for one in seen[0]["commands"]] == ["ACCEPTED"]
    ended = [
        {one["command"]["commandId"] for one in tree["commands"] if one["decidedAt"] is not None}
        for tree in seen
    ]
    assert all(before <= after for before, after in pairwise(ended))
    assert len({str(tree) for tree in seen}) == len(seen), "what has not changed is not told again"
    before = [tree for tree in seen if not tree["settled"]]
    assert len(before) == len(seen) - 1
    last = seen[-1]["commands"]
    applied = {p["name"] for one in last for event in one["events"] for p in event["projections"]}
    assert applied == set(bank.projections)


async def test_who_watches_asks_postgres_nothing_while_nothing_of_it_happens(
    servers: Bank, services: Services
) -> None:
    counting = Counting(servers.database.url)
    watched = replace(services, database=counting)
    account = uuid4()
    async with running(servers.processor().run()), running(services.feed.run()), asyncio.timeout(30):
        opened = await servers.submit(OpenAccount("Ada", account))
        await servers.outcome(opened)
        async with aclosing(watch(watched, opened)) as trees:
            await anext(trees)
            counting.asked = 0
            more = asyncio.ensure_future(anext(trees))
            for _ in range(20):  # of other correlations, so none of its business
                await servers.outcome(await servers.submit(Deposit(account, Decimal(1))))
            asked_meanwhile = counting.asked
            more.cancel()
            await asyncio.gather(more, return_exceptions=True)
    assert asked_meanwhile == 0
    await counting.close()


async def test_a_rejected_command_is_told_though_it_made_no_event(servers: Bank, services: Services) -> None:
    request = await servers.submit(Deposit(uuid4(), Decimal(1)))
    async with running(services.feed.run()), asyncio.timeout(30), aclosing(watch(services, request)) as trees:
        await anext(trees)
        async with running(servers.processor().run()):
            ended = await anext(trees)
    assert [one["command"]["status"] for one in ended["commands"]] == ["REJECTED"]
    assert ended["settled"]


async def test_watching_an_unknown_id_is_a_typed_error_and_leaves_nothing_running(services: Services) -> None:
    results = await SCHEMA.stream(WATCHED, {"id": str(uuid4())}, Context(services))
    found = [result async for result in results]
    assert [error.extensions["code"] for error in found[0].errors] == ["NOT_FOUND"]
    assert not services.outcomes._watching


@pytest.mark.parametrize("field", ["reactions { reactor }", "...on MoneyDeposited { reactions { reactor } }"])
async def test_the_feed_refuses_what_comes_later_than_the_event(services: Services, field: str) -> None:
    document = f"subscription {{ events {{ position ... on Event {{ type {field} }} }} }}"
    results = await SCHEMA.stream(document, None, Context(services))
    found = [result async for result in results]
    assert [error.extensions["code"] for error in found[0].errors] == ["BAD_REQUEST"]


async def test_a_lineage_is_not_settled_while_a_parked_key_waits_with_an_event_of_it(
    servers: Bank, services: Services
) -> None:
    source, target = uuid4(), uuid4()
    async with deciding(servers), running(projecting(servers, services)):
        await accounts(servers, source, target)
        transfer = await servers.submit(RequestTransfer(source, target, Decimal(1)))
        await until_logged(servers, "TransferCompleted")
        await until_settled(services, transfer)
    event = next(event for event in await servers.log() if event.type == "TransferRequested")
    key = bank.reactors["transfers"].key_of(
        bank.decode(event.type, event.schema_version, event.data, event.position)
    )
    for parked, settled in (("another", True), (key, False)):
        assert parked is not None
        failure = Failure(parked, 0, event.position, event.position - 1, 0, event.type, "", "", "")
        async with servers.database.connection() as connection:
            await store_parked(connection, "transfers", [failure])
        tree = await asked(services, LINEAGE + TREE, id=str(transfer))
        assert tree["settled"] is settled
