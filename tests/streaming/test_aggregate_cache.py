"""Snapshots and the state cache: cold, a stream is read from its last snapshot, of this very code."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, Withdraw
from commander.streaming.commands.aggregate_cache import AggregateCache
from tests.snapshots import stored_snapshots
from tests.streaming import points
from tests.streaming.conftest import Bank, running


async def deposited(servers: Bank, count: int, snapshot_every: int) -> tuple[str, Withdraw]:
    """An account with `count` deposits of 1, decided with snapshots; its stream, and a withdrawal of all."""
    account = uuid4()
    async with running(servers.processor(snapshot_every=snapshot_every, batch_size=5).run()):
        await servers.submit(OpenAccount("Ada", account))
        ids = [await servers.submit(Deposit(account, Decimal(1))) for _ in range(count)]
        await servers.outcome(ids[-1])
    return f"account-{account}", Withdraw(account, Decimal(count))


async def test_a_long_stream_gets_snapshots_and_is_folded_from_the_last(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, withdrawal = await deposited(servers, 50, snapshot_every=10)
    async with servers.database.connection() as connection:
        (snapshot,) = await stored_snapshots(connection, [stream])
        assert snapshot.version >= 40
        read: list[int] = []
        decode = bank.decode

        def noted(type_: str, version: int, data: bytes | str, position: int) -> object:
            read.append(position)
            return decode(type_, version, data, position)

        monkeypatch.setattr(bank, "decode", noted)
        states = AggregateCache(bank, capacity=10, snapshot_every=10)
        await states.load(connection, [stream])
    assert states[stream].version == 51
    assert states[stream].state.balance == 50
    assert len(read) == 51 - snapshot.version
    monkeypatch.undo()
    async with running(servers.processor().run()):
        assert (await servers.outcome(await servers.submit(withdrawal))).status == "APPLIED"


async def test_a_snapshot_of_other_code_is_ignored(servers: Bank) -> None:
    stream, _ = await deposited(servers, 20, snapshot_every=10)
    await servers.database.fetch(
        """update snapshots set fingerprint = 'older', state = '{"opened": true, "balance": "1000000"}'"""
    )
    async with servers.database.connection() as connection:
        states = AggregateCache(bank, capacity=10, snapshot_every=10)
        await states.load(connection, [stream])
    assert states[stream].state.balance == 20


async def test_streams_with_and_without_a_snapshot_follow_one_rule_when_a_helper_changes(
    servers: Bank, tmp_path: Path
) -> None:
    old = points.version(tmp_path, "amount")
    bought = {"short": 9, "long": 10}
    async with running(servers.processor(old.shop, snapshot_every=10, batch_size=5).run()):
        for customer, times in bought.items():
            ids = [await servers.submit(old.Buy(customer, 1), old.shop) for _ in range(times)]
            await servers.outcome(ids[-1])
        async with asyncio.timeout(10):
            while not await servers.database.fetchval("select count(*) from snapshots"):
                await asyncio.sleep(0.02)
    assert await servers.database.fetchval("select array_agg(stream) from snapshots") == ["customer-long"]

    new = points.version(tmp_path, "amount * 100")
    for shop, factor in ((old.shop, 1), (new.shop, 100)):
        states = AggregateCache(shop, capacity=10, snapshot_every=10)
        async with servers.database.connection() as connection:
            await states.load(connection, [f"customer-{customer}" for customer in bought])
        found = {customer: states[f"customer-{customer}"].state.points for customer in bought}
        assert found == {customer: times * factor for customer, times in bought.items()}


async def test_a_snapshot_that_does_not_fit_is_ignored(servers: Bank) -> None:
    stream, _ = await deposited(servers, 20, snapshot_every=10)
    await servers.database.fetch("""update snapshots set state = '{"balance": "much"}'""")
    async with servers.database.connection() as connection:
        states = AggregateCache(bank, capacity=10, snapshot_every=10)
        await states.load(connection, [stream])
    assert states[stream].state.balance == 20


async def test_a_snapshot_that_is_ahead_of_the_log_is_ignored(servers: Bank) -> None:
    stream, _ = await deposited(servers, 20, snapshot_every=10)
    await servers.database.fetch("update snapshots set version = 25")
    async with servers.database.connection() as connection:
        states = AggregateCache(bank, capacity=10, snapshot_every=10)
        await states.load(connection, [stream])
    assert (states[stream].version, states[stream].state.balance) == (21, 20)


async def test_only_so_many_streams_are_kept_the_newest_used(servers: Bank) -> None:
    states = AggregateCache(bank, capacity=3, snapshot_every=10)
    async with servers.database.connection() as connection:
        await states.load(connection, ["account-1", "account-2", "account-3"])
        await states.load(connection, ["account-1", "account-4"])
    states.shrink()
    kept = [stream for stream in ("account-1", "account-2", "account-3", "account-4") if stream in states]
    assert kept == ["account-1", "account-3", "account-4"]


async def test_who_wants_a_stream_that_another_is_loading_gets_it_whole(servers: Bank) -> None:
    """Or a batch that is looked up beside another would be decided on a stream as if it were empty."""
    stream, _ = await deposited(servers, 20, snapshot_every=1000)
    for _ in range(20):
        states = AggregateCache(bank, capacity=10, snapshot_every=1000)

        async def version_when_loaded(states: AggregateCache = states) -> int:
            async with servers.database.connection() as connection:
                await states.load(connection, [stream])
                return states[stream].version

        assert await asyncio.gather(*(version_when_loaded() for _ in range(3))) == [21, 21, 21]
