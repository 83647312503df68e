"""The client in clients/typescript after the API has closed its WebSocket, with 1011 and with 1012."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.e2e.bank import apply, opened
from tests.e2e.parts import Part, Parts
from tests.e2e.proxy import Proxy
from tests.e2e.typescript import BankClient, bank_client, built

LONG_MS = 600_000


async def test_the_feed_goes_on_after_1011_and_after_1012(parts: Parts) -> None:
    await asyncio.to_thread(built)
    start = partial(parts.start, COMMANDER_PING_SECONDS="0.5", COMMANDER_PING_TIMEOUT_SECONDS="2")
    first, *_ = await asyncio.to_thread(start, "api", "processor", "relay")
    async with (
        Proxy(first.port) as proxy,
        bank_client(f"http://127.0.0.1:{proxy.port}/graphql", "ws", LONG_MS) as client,
    ):
        account = await asyncio.to_thread(opened, first)
        await client.do("follow", "0")
        await client.until(client.caught_up, "history")
        proxy.mute()  # as a laptop that sleeps: it answers no ping
        await goes_on(client, first, account, "1011")
        [second] = await asyncio.to_thread(start, "api")
        proxy.lead_to(second.port)
        await asyncio.to_thread(first.end)
        await goes_on(client, second, account, "1012")
        positions = [int(event["position"]) for event in client.events]
    assert positions == [1, 2, 3]


async def goes_on(client: BankClient, api: Part, account: str, code: str) -> None:
    """The connection is closed with this code, and the next event comes."""
    ended = f"the WebSocket has ended: {code}"
    await client.until(lambda: client.broke and client.broke[-1].startswith(ended), ended)
    deposit = {"accountId": account, "amount": "1.00"}
    position = int((await asyncio.to_thread(apply, api, "deposit", deposit))["position"])
    await client.until(lambda: client.position >= position, f"the event after {code}")
