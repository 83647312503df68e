"""The whole of `commander dev` ends, in each of the ways it can, and goes on from its data."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal
from uuid import uuid4

import psutil
import pytest

from tests.faults.audit import assert_all_well
from tests.faults.customers import Client, Customers
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until
from tests.system import System

TRANSFER = ["TransferRequested", "MoneyWithdrawn", "TransferWithdrawn", "MoneyDeposited", "TransferCompleted"]


@pytest.fixture(autouse=True)
def started_as_a_newcomer_does(breakable: System) -> None:
    """Its processes are no forks, from here on."""
    if breakable.fork:
        breakable.stop()
        breakable.fork = False
        breakable.start()


async def test_a_client_sees_each_event_live_and_once_across_kill_9_of_everything(breakable: System) -> None:
    async with Client(breakable.url) as client, Subscriber(breakable.ws_url) as subscriber:
        ada, bob = str(uuid4()), str(uuid4())
        await client.submit("openAccount", {"owner": "Ada", "accountId": ada})
        await client.submit("openAccount", {"owner": "Bob", "accountId": bob})
        await client.submit("deposit", {"accountId": ada, "amount": "100.00"})
        await _transfer(client, subscriber, ada, bob, "30.00")
        opening = ["AccountOpened", "AccountOpened", "MoneyDeposited"]
        assert [event["type"] for event in subscriber.events] == opening + TRANSFER
        subscriber.assert_each_position_once()

        breakable.kill_everything()
        await asyncio.to_thread(breakable.start)

        await _transfer(client, subscriber, bob, ada, "5.00")
        assert subscriber.connections > 1
        assert [event["type"] for event in subscriber.events] == opening + TRANSFER + TRANSFER
        await assert_all_well(client, subscriber)
        assert await _balances(client, ada, bob) == [Decimal("75.00"), Decimal("25.00")]


async def test_kill_9_of_everything_under_load_loses_and_repeats_nothing(breakable: System) -> None:
    async with (
        Client(breakable.url) as client,
        Subscriber(breakable.ws_url) as subscriber,
        Customers(client) as customers,
    ):
        await customers.finish(20)
        breakable.kill_everything()
        await asyncio.to_thread(breakable.start)
        await customers.finish(20)
        await customers.stop()
        assert client.repeated, "nobody noticed the outage"
        await assert_all_well(client, subscriber)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl_c", "sigterm"])
async def test_a_signal_ends_the_tree_cleanly_and_it_starts_again(
    breakable: System, number: signal.Signals
) -> None:
    logged = breakable.log.stat().st_size
    async with (
        Client(breakable.url) as client,
        Subscriber(breakable.ws_url) as subscriber,
        Customers(client) as customers,
    ):
        await customers.finish(5)
        tree = breakable.descendants()
        breakable.process.send_signal(number)
        assert await asyncio.to_thread(breakable.process.wait, 15) == 0
        assert [process for process in tree if _runs(process)] == []
        log = breakable.log.read_text()[logged:]
        assert "Traceback" not in log
        assert "ERROR" not in log

        await asyncio.to_thread(breakable.start)
        await customers.finish(5)
        await customers.stop()
        await assert_all_well(client, subscriber)


async def test_what_the_supervisor_started_ends_with_it(breakable: System) -> None:
    tree = breakable.descendants()
    breakable.process.kill()
    breakable.process.wait()
    await until(lambda: not any(_runs(process) for process in tree), "all of the tree ends")


def _runs(process: psutil.Process) -> bool:
    """Whether the process is there, and more than a zombie that nobody has waited for."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _transfer(client: Client, subscriber: Subscriber, source: str, target: str, amount: str) -> None:
    """Requests a transfer and returns when the subscriber has seen it complete."""
    ended = _completed(subscriber) + 1
    await client.submit("requestTransfer", {"sourceId": source, "targetId": target, "amount": amount})
    await subscriber.until(lambda: _completed(subscriber) == ended, "the transfer completes")


def _completed(subscriber: Subscriber) -> int:
    return sum(event["type"] == "TransferCompleted" for event in subscriber.events)


async def _balances(client: Client, *accounts: str) -> list[Decimal]:
    query = "query ($id: UUID!) { account(accountId: $id) { balance } }"
    rows = [(await client.data(query, id=account))["account"] for account in accounts]
    return [Decimal(row["balance"]) for row in rows]
