"""The client in Python that `commander client python` writes for the bank, against the running bank."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.e2e.bank import apply, opened
from tests.e2e.proxy import Proxy
from tests.e2e.python_client import bank_client, bank_package, following
from tests.system import System

BREAKS = 20
SILENCE_SECONDS = 0.5
TRANSPORTS = ("sse", "ws")
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<html><body>no server is available</body></html>"
)


@pytest.fixture(scope="module")
def models() -> Any:
    return bank_package().models


async def test_twenty_breaks_and_each_position_comes_once_and_each_command_is_applied_once(
    system: System, models: Any
) -> None:
    account = UUID(await asyncio.to_thread(opened, system))
    outcomes: list[Any] = []
    patience = {"silence_seconds": SILENCE_SECONDS, "longest_pause_seconds": 0.05, "answer_seconds": 0.5}
    async with Proxy(system.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/graphql"
        async with following(url, "sse", **patience) as sse, following(url, "ws", **patience) as ws:
            followers = (sse, ws)

            async def deposit_again_and_again() -> None:
                given = models.DepositInput(account_id=account, amount=Decimal("1.00"))
                while True:
                    sent = sse.client.commands.deposit(given, timeout_ms=1_000, patience_seconds=60)
                    outcomes.append(await sent)

            depositing = asyncio.create_task(deposit_again_and_again())
            for number in range(BREAKS):
                breaks = [follower.breaks for follower in followers]
                if number % 10 == 9:
                    proxy.stall()
                elif number % 3 == 2:
                    proxy.answer(UNAVAILABLE)
                    await asyncio.sleep(0.02)  # so long the gateway has no server
                    proxy.mend()
                else:
                    proxy.cut()
                    proxy.mend()
                for follower, before in zip(followers, breaks, strict=True):
                    await follower.broken_since(before, f"number {number}")
                for follower in followers:
                    await follower.at(follower.position + 1, f"after break {number}")
            depositing.cancel()
            await asyncio.wait([depositing])
            for follower in followers:
                await follower.at(outcomes[-1].position, "at the end")
    assert {type(outcome) for outcome in outcomes} == {models.CommandApplied}
    for follower in followers:
        assert follower.breaks >= BREAKS
        follower.assert_each_position_once()
    deposits = [e for e in sse.events if type(e) is models.MoneyDeposited and e.account_id == account]
    ids = [event.command_id for event in deposits]
    assert ids[: len(outcomes)] == [outcome.command_id for outcome in outcomes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_rows_are_kept_right(system: System, models: Any, transport: str) -> None:
    owner, account = f"Watched {uuid4()}", uuid4()
    async with bank_client(system.url, transport) as client:
        await client.commands.open_account(models.OpenAccountInput(owner=owner, account_id=account))
        where = models.AccountWhere(owner=models.StringCondition(eq=owner))
        async with aclosing(client.live.accounts(where=where)) as items:
            first = await asyncio.wait_for(anext(items), 10)
            assert first.snapshot, "it begins with what this client has written"
            assert [row.balance for row in first.rows.values()] == [Decimal(0)]
            deposit = models.DepositInput(account_id=account, amount=Decimal("5.00"))
            applied = await client.commands.deposit(deposit)
            async with asyncio.timeout(10):
                async for item in items:
                    if item.changes:
                        break
            assert (
                item.rows
                == item.changes
                == {
                    account: models.Account(
                        account_id=account, owner=owner, balance=Decimal("5.00"), closed=False
                    )
                }
            )
            assert item.position >= applied.position
            assert first.rows[account].balance == 0, "what was shown stays as it was"
        async with aclosing(client.live.account(account)) as rows:
            row = await asyncio.wait_for(anext(rows), 10)
            assert row.row.balance == Decimal("5.00")
        async with aclosing(client.live.account(uuid4())) as rows:
            assert (await asyncio.wait_for(anext(rows), 10)).row is None


async def test_a_read_shows_what_the_client_has_written(system: System, models: Any) -> None:
    owner = f"Reader {uuid4()}"
    async with bank_client(system.url) as client:
        for count in range(1, 4):
            account = uuid4()
            opened = await client.commands.open_account(
                models.OpenAccountInput(owner=owner, account_id=account)
            )
            assert client.written == opened.position
            assert (await client.read.account(account)).owner == owner
            where = models.AccountWhere(owner=models.StringCondition(in_=[owner, "nobody"]))
            page = await client.read.accounts(where=where, first=2)
            assert len(page.rows) == min(count, 2)
            assert page.page_info.has_next_page == (count > 2)
        assert await client.read.account(uuid4()) is None
        past = await client.read.account_at(account, models.AsOfVersion(version=1))
        assert (past.owner, past.version, past.position) == (owner, 1, opened.position)
        data = await client.query("query ($id: UUID!) { account(accountId: $id) { owner } }", {"id": account})
        assert data == {"account": {"owner": owner}}


async def test_each_outcome_has_its_class_and_the_id_is_the_callers_if_given(
    system: System, models: Any
) -> None:
    account = UUID(await asyncio.to_thread(opened, system))
    async with bank_client(system.url) as client:
        withdraw = models.WithdrawInput(account_id=account, amount=Decimal("1.00"))
        rejected = await client.commands.withdraw(withdraw)
        assert isinstance(rejected, models.CommandRejected)
        assert rejected.withdraw_code is models.WithdrawRejectionCode.INSUFFICIENT_FUNDS
        invalid = await client.commands.withdraw(models.WithdrawInput(account_id=account, amount=Decimal(-1)))
        assert isinstance(invalid, models.CommandInvalid)
        assert [problem.path for problem in invalid.problems] == [("amount",)]
        deposit = models.DepositInput(account_id=account, amount=Decimal("2.00"))
        valid = await client.commands.deposit(deposit, validate_only=True, expected_version=1)
        assert isinstance(valid, models.CommandValid)
        assert valid.events[0].data["amount"] == "2.00"
        conflict = await client.commands.deposit(deposit, expected_version=7)
        assert isinstance(conflict, models.VersionConflict)
        assert (conflict.expected_version, conflict.current_version) == (7, 1)
        command_id = uuid4()
        for _ in range(2):
            applied = await client.commands.deposit(
                deposit, command_id=command_id, wait=models.Wait.PROJECTED
            )
            assert isinstance(applied, models.CommandApplied)
            assert applied.command_id == command_id
            assert [type(event) for event in applied.events] == [models.MoneyDeposited]
        with pytest.raises(bank_package().RequestRefused) as refused:
            await client.commands.deposit(models.DepositInput(account_id=account, amount="much"))
        assert "much" in str(refused.value)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_feed_goes_on_behind_a_kept_cursor_and_takes_a_filter(
    system: System, models: Any, transport: str
) -> None:
    account = await asyncio.to_thread(opened, system, balance="1.00")
    filter = models.EventFilter(streams=[f"account-{account}"])
    async with bank_client(system.url, transport) as client, asyncio.timeout(20):
        feed = client.follow(0, filter=filter)
        assert type(await anext(feed)) is models.AccountOpened
        kept = feed.cursor
        await feed.aclose()
        async for item in client.follow(kept, filter=filter):
            assert type(item) is models.MoneyDeposited
            assert item.amount == Decimal("1.00")
            assert item.recorded_at.utcoffset() is not None
            break
        with pytest.raises(bank_package().RequestRefused):
            await anext(client.follow(10**12))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_closing_the_client_ends_what_follows(system: System, models: Any, transport: str) -> None:
    account = UUID(await asyncio.to_thread(opened, system))
    await asyncio.to_thread(apply, system, "deposit", {"accountId": str(account), "amount": "1.00"})
    package = bank_package()
    socket = package.runtime.websocket.WebSocket(system.ws_url, proxy=None) if transport == "ws" else None
    client = package.connect(system.url, transport=socket)
    shown = asyncio.Event()

    async def follow() -> int:
        count = 0
        async for _ in client.follow(0):
            count += 1
            shown.set()
        return count

    async def watch() -> bool:
        async for shown_row in client.live.account(account):
            shown.set()
            assert shown_row.row is not None
        return True

    for iterate in (follow, watch):
        client = package.connect(system.url, transport=socket)
        shown.clear()
        task = asyncio.create_task(iterate())
        await asyncio.wait_for(shown.wait(), 10)
        await client.aclose()
        assert await asyncio.wait_for(task, 10)
