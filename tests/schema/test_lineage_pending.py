"""Lineage shows what is under way: queued and scheduled reactions under their events, until they end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Database
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.resolvers.commands import Options, submit
from commander.resolvers.ending import cancel
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.streaming.commands.pending_by_correlation import PendingCommands, pending_by_correlation
from commander.streaming.commands.pending_by_id import pending_command, unschedule
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.reacting import ReactorRunner
from tests.resolvers.conftest import servers, services
from tests.schema.lineages import (
    LINEAGE,
    TREE,
    Looks,
    asked,
    asked_of,
    decide_and_purge,
    deciding,
    projecting,
    reacted_to,
    reactors,
    refused,
    requested,
    shown,
    transferred,
    until_applied,
    until_logged,
    until_settled,
)
from tests.streaming.conftest import Bank, running, submitted, until_reacted
from tests.streaming.orders import Ring, orders

__all__ = ["servers", "services"]

REACTIONS = """query ($id: UUID!) { command(commandId: $id) { events {
  type reactions { reactor command { type status notBefore events { type } } } } } }"""


async def test_a_queued_reaction_and_a_deadline_stand_under_their_event(
    servers: Bank, services: Services
) -> None:
    transfer = await reacted_to(servers)
    found = await asked(services, LINEAGE + TREE, id=str(transfer))
    assert shown(found) == [
        (0, "RequestTransfer", "APPLIED"),
        (1, "WithdrawForTransfer", "ACCEPTED"),
        (1, "ExpireTransfer", "SCHEDULED"),
    ]
    assert [one["command"]["type"] for one in found["root"]["events"][0]["reactions"]] == [
        "WithdrawForTransfer",
        "ExpireTransfer",
    ]
    [_, queued, scheduled] = found["commands"]
    assert (queued["decidedAt"], queued["command"]["notBefore"], queued["events"]) == (None, None, [])
    recorded = datetime.fromisoformat(found["commands"][0]["events"][0]["recordedAt"])
    due = datetime.fromisoformat(scheduled["command"]["notBefore"])
    assert due - recorded == timedelta(minutes=5)
    assert {one["command"]["reactor"] for one in (queued, scheduled)} == {"transfers"}
    assert (found["settled"], found["truncated"]) == (False, False)

    [event] = (await asked(services, REACTIONS, id=str(transfer)))["events"]
    assert event["reactions"] == [
        {
            "reactor": "transfers",
            "command": {"type": "WithdrawForTransfer", "status": "ACCEPTED", "notBefore": None, "events": []},
        },
        {
            "reactor": "transfers",
            "command": {
                "type": "ExpireTransfer",
                "status": "SCHEDULED",
                "notBefore": scheduled["command"]["notBefore"],
                "events": [],
            },
        },
    ]


async def test_a_deadline_that_was_taken_back_shows_no_more(servers: Bank, services: Services) -> None:
    transfer = await reacted_to(servers)
    async with deciding(servers):
        await until_logged(servers, "TransferCompleted")
        await until_reacted(servers, "transfers")
    found = await asked(services, LINEAGE + TREE, id=str(transfer))
    assert {status for _, _, status in shown(found)} == {"APPLIED"}
    assert "ExpireTransfer" not in [type_ for _, type_, _ in shown(found)]
    async with running(projecting(servers, services)):
        await until_settled(services, transfer)
    [event] = (await asked(services, REACTIONS, id=str(transfer)))["events"]
    assert [one["command"]["type"] for one in event["reactions"]] == ["WithdrawForTransfer"]


async def test_what_is_for_later_is_scheduled_and_its_cancelling_ends_it(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(hours=1))
    of_orders = replace(services, domain=orders, tables={})
    schema = build_schema(orders)
    echo = ReactorRunner(orders, servers.database, servers.nats, servers.submitter, orders.reactors["echo"])
    async with running(servers.processor(orders).run()), running(echo.run()):
        ring = await servers.submit(Ring("slow"), orders)
        await servers.outcome(ring)
        await until_reacted(servers, "echo")
    found = await asked_of(schema, of_orders, LINEAGE + TREE, id=str(ring))
    assert shown(found) == [(0, "Ring", "APPLIED"), (1, "Ring", "SCHEDULED")]
    assert datetime.fromisoformat(found["commands"][1]["command"]["notBefore"]) > datetime.now(UTC)
    assert not found["settled"]
    await cancel(RequestContext(of_orders), UUID(found["commands"][1]["command"]["commandId"]))
    found = await asked_of(schema, of_orders, LINEAGE + TREE, id=str(ring))
    assert shown(found)[1] == (1, "Ring", "REJECTED")


async def test_a_command_with_a_time_is_a_tree_by_itself(servers: Bank, services: Services) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    options = Options(uuid4(), given_id=False, not_before=due, correlation_id=uuid4())
    await submit(services, OpenAccount("Ada", uuid4()), options)
    found = await asked(services, LINEAGE + TREE, id=str(options.command_id))
    assert shown(found) == [(0, "OpenAccount", "SCHEDULED")]
    assert datetime.fromisoformat(found["commands"][0]["command"]["notBefore"]) == due
    assert found["correlationId"] == str(options.correlation_id)
    assert (found["settled"], found["truncated"], found["durationMs"]) == (False, False, None)


async def test_what_is_under_way_is_cut_at_the_bounds_of_the_tree(servers: Bank, services: Services) -> None:
    transfer = str(await reacted_to(servers))
    for bounds, count in (({"depth": 0}, 1), ({"first": 1}, 1), ({"first": 2}, 2), ({"first": 3}, 3)):
        found = await asked(services, LINEAGE + TREE, id=transfer, **bounds)
        assert (len(found["commands"]), found["truncated"]) == (count, count < 3)


async def test_where_the_queue_is_too_long_to_be_looked_through_the_tree_says_so(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = await requested(servers)
    for _ in range(3):
        await servers.submitter.submit(submitted(OpenAccount("Ada", uuid4())), alone=True)
    async with running(reactors(servers).run()):
        await until_reacted(servers, "transfers")
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_MESSAGES", 3)
    found = await asked(services, LINEAGE + TREE, id=str(transfer))
    assert shown(found) == [(0, "RequestTransfer", "APPLIED"), (1, "ExpireTransfer", "SCHEDULED")]
    assert (found["settled"], found["truncated"]) == (False, True)
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_MESSAGES", 4)
    found = await asked(services, LINEAGE + TREE, id=str(transfer))
    assert (len(found["commands"]), found["truncated"]) == (3, False)


async def test_while_the_queue_is_too_long_to_be_looked_through_nothing_has_settled(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(projecting(servers, services)):
        async with running(servers.processor().run()):
            opened = await servers.submit(OpenAccount("Ada", uuid4()))
            await servers.outcome(opened)
        await until_settled(services, opened)
    for _ in range(3):
        await servers.submitter.submit(submitted(OpenAccount("Eve", uuid4())), alone=True)
    for bound, whole in ((2, False), (3, True)):
        monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_MESSAGES", bound)
        found = await asked(services, LINEAGE + TREE, id=str(opened))
        assert (found["settled"], found["truncated"]) == (whole, not whole)


@pytest.mark.parametrize("first", ["decided", "looked for"])
@pytest.mark.parametrize("asking", ["lineage", "reactions"])
async def test_what_ends_while_it_is_looked_for_is_shown_as_it_ended_and_once(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch, asking: str, first: str
) -> None:
    transfer = str(await reacted_to(servers))

    async def meanwhile(nats: Nats, database: Database, ids: Collection[UUID]) -> PendingCommands:
        if first == "decided":
            await decide_and_purge(servers)
            return await pending_by_correlation(nats, database, ids)
        found = await pending_by_correlation(nats, database, ids)
        await decide_and_purge(servers)
        return found

    monkeypatch.setattr(f"commander.resolvers.{asking}.pending_by_correlation", meanwhile)
    if asking == "lineage":
        found = (await asked(services, LINEAGE + TREE, id=transfer))["root"]["events"]
    else:
        found = (await asked(services, REACTIONS, id=transfer))["events"]
    commands = [(one["command"]["type"], one["command"]["status"]) for one in found[0]["reactions"]]
    assert commands == [("WithdrawForTransfer", "APPLIED"), ("ExpireTransfer", "SCHEDULED")]


async def test_an_answer_looks_once_for_what_is_under_way(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await transferred(servers, 5)
    looks = Looks(monkeypatch, "commander.resolvers.reactions")
    document = """{ events { edges { node { type reactions { command {
      events { reactions { command { events { reactions { command { type } } } } } } } } } } } }"""
    edges = (await asked(services, document))["edges"]
    assert sum(len(edge["node"]["reactions"]) for edge in edges) == 20
    assert looks.count == 1


async def test_it_has_not_settled_before_its_reactors_have_come_to_it(
    servers: Bank, services: Services
) -> None:
    account = uuid4()
    async with running(projecting(servers, services)):
        async with running(servers.processor().run()):
            await servers.submit(OpenAccount("Ada", account))
            deposit = await servers.submit(Deposit(account, Decimal(1)))
            await servers.outcome(deposit)
        assert not (await until_applied(services, deposit))["settled"]
        async with running(reactors(servers).run()):
            await until_settled(services, deposit)


async def test_it_has_not_settled_before_a_refusal_has_come_to_who_sent_the_command(
    servers: Bank, services: Services
) -> None:
    transfer = await reacted_to(servers, amount=2000)
    async with running(projecting(servers, services)):
        [_, _, deadline] = (await asked(services, LINEAGE + TREE, id=str(transfer)))["commands"]
        scheduled = await pending_command(
            servers.nats, servers.database, UUID(deadline["command"]["commandId"])
        )
        assert scheduled is not None
        await unschedule(servers.nats, [scheduled])
        await decide_and_purge(servers)
        tree = await until_applied(services, transfer)
        assert shown(tree)[1:] == [(1, "WithdrawForTransfer", "REJECTED")]
        assert not tree["settled"]
        async with deciding(servers):
            tree = await until_settled(services, transfer)
    assert shown(tree)[2:] == [(2, "RecordRefusal", "APPLIED")]


async def test_while_nats_is_away_nobody_says_what_is_under_way(
    servers: Bank, services: Services, nats_server: EmbeddedNats
) -> None:
    transfer = str(await reacted_to(servers))
    await nats_server.stop()
    assert (await refused(services, LINEAGE + TREE, id=transfer))["code"] == "UNAVAILABLE"
    assert (await refused(services, REACTIONS, id=transfer))["code"] == "UNAVAILABLE"
    assert (
        await asked(services, "query ($id: UUID!) { command(commandId: $id) { status } }", id=transfer)
    ) == {"status": "APPLIED"}
