"""The feed as a frontend in JavaScript follows it: the npm package graphql-ws, in Node.js."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bank import apply, opened
from tests.e2e.feeds import FEED
from tests.system import System

PACKAGE = Path(__file__).with_name("js")


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with the packages of package-lock.json installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("NOT RUN: node or npm is absent, so no JavaScript client was tried")
    installed, locked = PACKAGE / "node_modules" / ".package-lock.json", PACKAGE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < locked.stat().st_mtime:
        subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=PACKAGE, check=True, timeout=120
        )
        installed.touch()
    return node


@asynccontextmanager
async def subscribed(node: str, system: System, count: int, **variables: Any) -> AsyncIterator[Process]:
    """A client that ends after so many items."""
    arguments = [system.ws_url, str(count), FEED, json.dumps(variables)]
    process = await asyncio.create_subprocess_exec(
        node, str(PACKAGE / "subscribe.js"), *arguments, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def printed(process: Process) -> dict[str, Any]:
    """The next line of the client's."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        line: dict[str, Any] = json.loads(await process.stdout.readline())
    return line


async def test_a_javascript_client_gets_history_then_caught_up_then_what_happens(
    node: str, system: System
) -> None:
    account = opened(system, balance="5.00")
    filter = {"streams": [f"account-{account}"]}
    async with subscribed(node, system, 4, after="0", filter=filter) as process:
        items = [(await printed(process))["data"]["events"] for _ in range(3)]
        assert [item["__typename"] for item in items] == ["AccountOpened", "MoneyDeposited", "CaughtUp"]
        withdrawal = {"accountId": account, "amount": "1.00"}
        applied = await asyncio.to_thread(apply, system, "withdraw", withdrawal)
        live = (await printed(process))["data"]["events"]
        assert (live["type"], live["position"]) == ("MoneyWithdrawn", applied["position"])
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_javascript_client_is_told_why_its_subscription_is_refused(node: str, system: System) -> None:
    async with subscribed(node, system, 1, after=str(10**12)) as process:
        [error] = (await printed(process))["errors"]
        assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "after"}
        assert await asyncio.wait_for(process.wait(), 20) == 1
