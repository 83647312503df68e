"""The client in Python goes on through kill -9 of the API and of the relay."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.e2e.bank import opened
from tests.e2e.python_client import bank_package, following
from tests.system import System

KILLED = ("api", "relay", "api")


async def test_each_position_comes_once_across_kill_9_of_api_and_relay(breakable: System) -> None:
    models: Any = bank_package().models
    account = UUID(await asyncio.to_thread(opened, breakable))
    url = breakable.url
    options: dict[str, Any] = {"silence_seconds": 3, "longest_pause_seconds": 0.2, "answer_seconds": 2}
    outcomes: list[Any] = []
    async with following(url, "sse", **options) as sse, following(url, "ws", **options) as ws:

        async def deposit() -> int:
            given = models.DepositInput(account_id=account, amount=Decimal("1.00"))
            sent = sse.client.commands.deposit(given, timeout_ms=1_000, patience_seconds=60)
            outcomes.append(await sent)
            return int(outcomes[-1].position)

        for name in KILLED:
            await deposit()
            breakable.kill(name)
            for _ in range(3):
                last = await deposit()
            for follower in (sse, ws):
                await follower.at(last, f"without {name}")
    assert {type(outcome) for outcome in outcomes} == {models.CommandApplied}
    for follower in (sse, ws):
        follower.assert_each_position_once()
        deposits = [e for e in follower.events if type(e) is models.MoneyDeposited]
        mine = [event.command_id for event in deposits if event.account_id == account]
        assert mine == [outcome.command_id for outcome in outcomes]
    await asyncio.to_thread(breakable.wait_ready)
