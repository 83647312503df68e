"""What the API does with connections: how many, how long it waits for a word, how it says that it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.api_process import Api, api_beside
from tests.e2e.raw import KINDS, Raw, connected, subscribed
from tests.e2e.sockets import KEEP_ALIVE, LEGACY_WS, TRANSPORT_WS, socket_to, start
from tests.faults.waiting import until
from tests.system import NO_TLS, System

MOST = 4
SUBSCRIPTION = {"query": "subscription { events { __typename } }"}


@pytest.fixture(scope="module")
def api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A process that says often that it lives, and waits only for a second."""
    data_dir = tmp_path_factory.mktemp("api")
    with api_beside(system, data_dir, connection_init_seconds=1, keep_alive_seconds=0.1) as api:
        yield api
        assert api.part.end() == 0
        assert not api.part.lines("Traceback"), api.part.log.read_text()


@pytest.fixture
def narrow(system: System, tmp_path: Path) -> Iterator[Api]:
    """A process that takes four connections."""
    with api_beside(system, tmp_path, max_connections=MOST) as api:
        yield api
        assert api.part.end() == 0
        assert not api.part.lines("Traceback"), api.part.log.read_text()


async def let_in(api: Api, kind: str) -> Raw:
    """A subscription, once there is room for it."""
    found: list[Raw] = []

    async def there_is_room() -> bool:
        try:
            async with asyncio.timeout(5):  # one that is refused waits for the other end to hang up
                found.append(await subscribed(api.port, kind))
        except (TimeoutError, asyncio.IncompleteReadError):
            return False
        return True

    await until(there_is_room, f"room for {kind}", timeout_seconds=120)
    return found[0]


async def test_more_connections_than_the_process_may_have_are_told_to_come_back_later(narrow: Api) -> None:
    there = {kind: await subscribed(narrow.port, kind) for kind in KINDS}
    assert len(there) == MOST
    for kind in KINDS:
        await assert_full(narrow)
        there[kind].cut()
        there[kind] = await let_in(narrow, kind)
    for raw in there.values():
        raw.cut()


async def assert_full(api: Api) -> None:
    async with socket_to(api, init=False) as socket:
        code, reason = await socket.closed()
    assert code == 1013
    assert "4 connections" in reason
    async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as http:
        for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
            refused = await http.post(api.url, json=SUBSCRIPTION, headers={"accept": accept})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            [error] = refused.json()["errors"]
            assert error["extensions"] == {"code": "OVERLOADED", "retryAfterSeconds": 5}
            assert "4 connections" in error["message"]
        answer = await http.post(api.url, json={"query": "{ __typename }"})
    assert answer.json() == {"data": {"__typename": "Query"}}, "what ends by itself is not counted"


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_a_socket_on_which_nothing_is_said_is_closed(api: Api, protocol: str) -> None:
    async with socket_to(api, protocol, init=False) as socket:
        assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_a_socket_is_kept_while_its_other_end_answers_pings_and_closed_when_it_does_not(
    system: System, tmp_path: Path
) -> None:
    with api_beside(system, tmp_path, ping_seconds=0.1, ping_timeout_seconds=3) as api:
        async with socket_to(api) as staying:
            for kind in (TRANSPORT_WS, LEGACY_WS):
                raw = await subscribed(api.port, kind)
                assert (1011).to_bytes(2, "big") + b"keepalive ping timeout" in await raw.rest()
            await staying.send({"type": "ping"})
            assert await staying.receive() == {"type": "pong"}


async def test_an_event_stream_says_with_comments_that_it_lives(api: Api) -> None:
    raw = await subscribed(api.port, "sse")
    for _ in range(3):
        await raw.until(b"\n:\n\n")
    raw.cut()


async def test_a_multipart_stream_says_with_empty_parts_that_it_lives(api: Api) -> None:
    raw = await subscribed(api.port, "multipart")
    for _ in range(3):
        await raw.until(b"\r\n\r\n{}\r\n--graphql")
    raw.cut()


async def test_a_legacy_socket_is_told_that_it_lives_before_and_between_what_is_sent(api: Api) -> None:
    async with socket_to(api, LEGACY_WS) as socket:
        assert await socket.receive_any() == KEEP_ALIVE
        await socket.send(start(SUBSCRIPTION["query"]))
        assert (await socket.receive())["payload"]["data"]["events"] == {"__typename": "CaughtUp"}
        assert await socket.receive_any() == KEEP_ALIVE
        assert await socket.receive_any() == KEEP_ALIVE


async def test_clients_that_go_away_before_their_streams_begin_are_forgotten(narrow: Api) -> None:
    for _ in range(2 * MOST):
        for kind in KINDS:
            raw = await connected(narrow.port, kind)
            raw.cut()
    for raw in [await let_in(narrow, kind) for kind in KINDS]:
        raw.cut()
