"""The client in clients/typescript goes on through kill -9 of each part and of each server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import psutil

from tests.e2e.bank import apply, opened
from tests.e2e.typescript import bank_client, built
from tests.system import System

KILLED = ("api", "relay", "nats-server", "postgres")
RESTART_SECONDS = 30


async def goes_on(system: System, kills: Iterable[str]) -> None:
    """Follows the feed over both transports, and deposits, while these processes are killed in turn.

    Each position comes once, and each command is applied once.
    """
    built()
    account = await asyncio.to_thread(opened, system)
    async with bank_client(system.url, "sse") as sse, bank_client(system.url, "ws") as ws:
        for client in (sse, ws):
            await client.do("follow", "0")
        for client in (sse, ws):
            await client.until(client.caught_up, "history")
        await sse.do("deposit", account, "100000")
        for number, name in enumerate(kills):
            await _kill(system, name)
            done = len(sse.outcomes)
            what = f"after kill {number} of {name}"
            await sse.until(lambda done=done: len(sse.outcomes) > done + 2, f"commands go on {what}")
            last = int(sse.outcomes[-1]["position"])
            for client in (sse, ws):
                await client.until(lambda c=client, p=last: c.position >= p, f"events go on {what}")
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
    await asyncio.to_thread(system.wait_ready)
    await asyncio.to_thread(apply, system, "deposit", {"accountId": account, "amount": "1.00"})


async def _kill(system: System, name: str) -> None:
    """Kills a process, once it has been started again after the last time."""
    async with asyncio.timeout(RESTART_SECONDS):
        while True:
            try:
                return system.kill(name)
            except (LookupError, psutil.NoSuchProcess):
                await asyncio.sleep(0.05)


async def test_each_position_comes_once_across_kill_9_of_api_relay_nats_and_postgres(
    breakable: System,
) -> None:
    await goes_on(breakable, KILLED)
