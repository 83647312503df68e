"""A process that is told to stop lets its clients go, so that they come back to another and miss nothing."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.e2e.api_process import api_beside
from tests.e2e.bank import apply, opened
from tests.e2e.feeds import FEED, Item
from tests.e2e.nodejs import installed, printed, script
from tests.e2e.raw import KINDS, connected, subscribed
from tests.system import System

SERVICE_RESTART = b"\x88\x02" + (1012).to_bytes(2, "big")


@pytest.mark.parametrize("kind", KINDS)
async def test_sigterm_ends_a_subscription_at_once_without_the_word_that_it_is_complete(
    system: System, tmp_path: Path, kind: str
) -> None:
    with api_beside(system, tmp_path, fork=kind != KINDS[0]) as api:
        raw = await subscribed(api.port, kind)
        waiting = await connected(api.port, kind)
        began = time.monotonic()
        api.part.process.terminate()
        rest = await raw.rest()
        await waiting.rest()
        assert time.monotonic() - began < 9, "others have ten seconds"
        assert await asyncio.to_thread(api.part.process.wait, 15) == 0
        if kind in ("sse", "multipart"):
            assert rest.endswith(b"0\r\n\r\n"), "the response ends as HTTP has it"
            assert b"complete" not in rest
            assert b"--graphql--" not in rest
        else:
            assert rest.endswith(SERVICE_RESTART)
            assert b"complete" not in rest
        assert not api.part.lines("Traceback"), api.part.log.read_text()


@pytest.mark.parametrize("name", ["graphql-ws", "graphql-sse", "EventSource", "apollo over multipart"])
async def test_a_client_of_a_process_that_is_replaced_sees_each_event_once(
    system: System, tmp_path: Path, name: str
) -> None:
    installed()
    account = opened(system)
    deposit = {"accountId": account, "amount": "1.00"}
    variables = json.dumps({"after": "0", "filter": {"streams": [f"account-{account}"]}})
    seen: list[Item] = []
    with api_beside(system, tmp_path) as first:
        async with script("follow.js", name, first.url, "1000", FEED, variables) as process:

            async def until_version(version: int) -> None:
                while not seen or seen[-1].get("version") != version:
                    seen.append(await printed(process))

            await until_version(1)
            assert (await printed(process))["__typename"] == "CaughtUp"
            assert await asyncio.to_thread(first.part.end) == 0
            await asyncio.to_thread(apply, system, "deposit", deposit)
            with api_beside(system, tmp_path, port=first.port):
                await until_version(2)
                await asyncio.to_thread(apply, system, "deposit", deposit)
                await until_version(3)
    versions = [item["version"] for item in seen if "version" in item]
    assert versions == [1, 2, 3]
