"""The feed as a frontend in JavaScript follows it: the npm package graphql-ws, in Node.js."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import Process
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.e2e.bank import apply, opened
from tests.e2e.feeds import FEED
from tests.e2e.nodejs import installed, printed, script
from tests.system import System

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture(scope="module")
def node() -> None:
    installed()


def subscribed(system: System, count: int, **variables: Any) -> AbstractAsyncContextManager[Process]:
    """A client that ends after so many items."""
    return script("subscribe.js", system.ws_url, str(count), FEED, json.dumps(variables))


async def test_a_javascript_client_gets_history_then_caught_up_then_what_happens(system: System) -> None:
    account = opened(system, balance="5.00")
    filter = {"streams": [f"account-{account}"]}
    async with subscribed(system, 4, after="0", filter=filter) as process:
        items = [(await printed(process))["data"]["events"] for _ in range(3)]
        assert [item["__typename"] for item in items] == ["AccountOpened", "MoneyDeposited", "CaughtUp"]
        withdrawal = {"accountId": account, "amount": "1.00"}
        applied = await asyncio.to_thread(apply, system, "withdraw", withdrawal)
        live = (await printed(process))["data"]["events"]
        assert (live["type"], live["position"]) == ("MoneyWithdrawn", applied["position"])
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_javascript_client_is_told_why_its_subscription_is_refused(system: System) -> None:
    async with subscribed(system, 1, after=str(10**12)) as process:
        [error] = (await printed(process))["errors"]
        assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "after"}
        assert await asyncio.wait_for(process.wait(), 20) == 1
