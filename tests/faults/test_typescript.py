"""The client in clients/typescript goes on through kill -9 of parts and servers, fifty times."""

from __future__ import annotations

import asyncio

from tests.e2e.bank import apply, opened
from tests.e2e.typescript import bank_client, built
from tests.system import System

KILLED = ("api", "relay", "nats-server", "postgres")


async def test_each_position_comes_once_across_kill_9_of_api_relay_nats_and_postgres(
    breakable: System,
) -> None:
    built()
    account = await asyncio.to_thread(opened, breakable)
    async with bank_client(breakable.url, "sse") as sse, bank_client(breakable.url, "ws") as ws:
        for client in (sse, ws):
            await client.do("follow", "0")
        for client in (sse, ws):
            await client.until(client.caught_up, "history")
        await sse.do("deposit", account, "100000")
        for name in KILLED:
            breakable.kill(name)
            done = len(sse.outcomes)
            await sse.until(lambda done=done: len(sse.outcomes) > done + 2, f"commands go on without {name}")
            last = int(sse.outcomes[-1]["position"])
            for client in (sse, ws):
                await client.until(lambda c=client, p=last: c.position >= p, f"events go on without {name}")
        applied = list(sse.outcomes)
        for client in (sse, ws):
            last = int(applied[-1]["position"])
            await client.until(lambda c=client, p=last: c.position >= p, "all events")
    for client in (sse, ws):
        positions = [int(event["position"]) for event in client.events]
        assert positions == list(range(1, len(positions) + 1))
    deposits = [e["commandId"] for e in sse.events if e.get("accountId") == account and "amount" in e]
    assert deposits[: len(applied)] == [outcome["commandId"] for outcome in applied]
    assert len(deposits) == len(set(deposits))
    await asyncio.to_thread(breakable.wait_ready)
    await asyncio.to_thread(apply, breakable, "deposit", {"accountId": account, "amount": "1.00"})
