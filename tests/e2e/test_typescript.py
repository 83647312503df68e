"""The client in clients/typescript: its types, its size, its own tests, and what it does against the bank."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.bank import apply, balance_of, opened
from tests.e2e.proxy import Proxy
from tests.e2e.typescript import PACKAGE, bank_client, built
from tests.system import System

pytestmark = pytest.mark.usefixtures("package")
BREAKS = 50
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<html><body>no server is available</body></html>"
)


@pytest.fixture(scope="module")
def package() -> None:
    built()


def ran(*command: str, cwd: Path = PACKAGE, **environment: str) -> str:
    """What a program of the package prints; fails if it fails."""
    given = {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_the_client_and_what_is_written_for_the_bank_pass_the_compiler_in_strict_mode() -> None:
    ran("node_modules/.bin/tsc", "--noEmit")


def test_the_client_takes_what_gateways_and_networks_do() -> None:
    ran("node", "--test", "--test-timeout=60000", "build/gateways.test.mjs")


def test_the_client_takes_what_ends_a_websocket() -> None:
    ran("node", "--test", "--test-timeout=60000", "build/closes.test.mjs")


def test_the_hooks_of_react_show_the_bank_as_it_is(system: System) -> None:
    command = [
        "node",
        "--import",
        "./build/dom.mjs",
        "--test",
        "--test-timeout=60000",
        "build/hooks.test.mjs",
    ]
    ran(*command, BANK_URL=system.url)


async def test_fifty_breaks_and_each_position_comes_once_and_each_command_is_applied_once(
    system: System,
) -> None:
    account = opened(system)
    async with (
        Proxy(system.port) as proxy,
        bank_client(f"http://127.0.0.1:{proxy.port}/graphql", "sse") as sse,
        bank_client(f"http://127.0.0.1:{proxy.port}/graphql", "ws") as ws,
    ):
        for client in (sse, ws):
            await client.do("follow", "0")
        for client in (sse, ws):
            await client.until(client.caught_up, "history")
        await sse.do("deposit", account, "100000")
        for number in range(BREAKS):
            breaks = [sse.breaks, ws.breaks]
            if number % 25 == 24:
                proxy.stall()
            elif number % 3 == 2:
                proxy.answer(UNAVAILABLE)
                await asyncio.sleep(0.02)  # so long the gateway has no server
                proxy.mend()
            else:
                proxy.cut()
                proxy.mend()
            for client, before in zip((sse, ws), breaks, strict=True):
                await client.until(lambda c=client, b=before: c.breaks > b, f"an event after break {number}")
        applied = list(sse.outcomes)
        for client in (sse, ws):
            await client.until(lambda c=client: c.position >= int(applied[-1]["position"]), "all of them")
    assert {outcome["__typename"] for outcome in applied} == {"CommandApplied"}
    for client in (sse, ws):
        assert client.breaks >= BREAKS
        positions = [int(event["position"]) for event in client.events]
        assert positions == list(range(1, len(positions) + 1))
    ids = [e["commandId"] for e in sse.events if e.get("accountId") == account and "amount" in e]
    assert ids[: len(applied)] == [outcome["commandId"] for outcome in applied]
    assert len(ids) == len(set(ids))


async def test_rows_are_kept_right_and_an_expected_balance_gives_way_to_the_truth(system: System) -> None:
    owner = f"Watched {opened(system)}"
    account = opened(system, owner=owner, balance="10.00")
    async with bank_client(system.url, "sse") as client:

        def balances() -> list[list[str]]:
            shown = [line["balances"] for line in client.lines if line.get("ready")]
            return [one for at, one in enumerate(shown) if at == 0 or one != shown[at - 1]]

        await client.do("watch", owner)
        await client.until(lambda: balances() == [["10.00"]], "the snapshot")
        await asyncio.to_thread(apply, system, "deposit", {"accountId": account, "amount": "5.00"})
        await client.until(lambda: balances() == [["10.00"], ["15.00"]], "the change")
        await client.do("withdraw", owner, "3.00", "12.00")
        await client.until(lambda: client.outcomes, "the outcome")
        await client.do("withdraw", owner, "100.00", "-88.00")
        await client.until(lambda: len(client.outcomes) == 2, "the refusal")
        await client.until(lambda: balances()[-1] == ["12.00"], "the refused balance is gone")
        assert client.outcomes[1]["__typename"] == "CommandRejected"
        assert balances() == [["10.00"], ["15.00"], ["12.00"], ["-88.00"], ["12.00"]]
    assert balance_of(system, account) == "12.00"


async def test_scalars_with_codecs_have_them_in_inputs_options_rows_events_and_outcomes(
    system: System,
) -> None:
    account = opened(system)
    async with bank_client(system.url, "sse") as client:
        await client.do("cents", account)
        await client.until(lambda: client.lines, "a deposit of whole cents")
    assert client.lines == [{"cents": ["150", "150", "150", "150"], "isSame": True}]


async def test_a_feed_goes_on_behind_a_cursor_that_the_caller_has_kept(system: System) -> None:
    opened(system, balance="1.00")
    async with bank_client(system.url, "sse") as client:
        await client.do("resume", "5")
        await client.until(lambda: len(client.items) == 5, "five feeds with an item each")
    assert [int(item["position"]) for item in client.items[:2]] == [1, 2]
    positions = [int(item["position"]) for item in client.events]
    assert positions == list(range(1, len(positions) + 1))


async def test_a_read_shows_what_the_client_has_written(system: System) -> None:
    account = opened(system)
    async with bank_client(system.url, "sse") as client:
        for _ in range(3):
            await client.do("read", account)
        await client.until(lambda: len(client.lines) == 3, "three reads")
    assert sorted(line["read"]["balance"] for line in client.lines)[-1] == "3.00", client.lines
    assert all(line["written"] for line in client.lines)
