"""What the API does with connections: how many, how long it waits for a word, how it says that it lives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.api_process import Api, api_beside
from tests.e2e.raw import KINDS, connected, subscribed
from tests.e2e.sockets import KEEP_ALIVE, LEGACY_WS, TRANSPORT_WS, socket_to, start
from tests.faults.waiting import until
from tests.system import NO_TLS, System

MOST = 4
SUBSCRIPTION = {"query": "subscription { events { __typename } }"}
SSE = {"accept": "text/event-stream"}


@pytest.fixture(scope="module")
def api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A process that says often that it lives, waits only for a second, and takes four connections."""
    data_dir = tmp_path_factory.mktemp("api")
    with api_beside(
        system, data_dir, max_connections=MOST, connection_init_seconds=1, keep_alive_seconds=0.1
    ) as api:
        yield api
        assert api.part.end() == 0
        assert not api.part.lines("Traceback"), api.part.log.read_text()


@pytest.fixture
async def http() -> Any:
    async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
async def test_more_connections_than_the_process_may_have_are_told_to_come_back_later(
    api: Api, http: httpx.AsyncClient, kind: str
) -> None:
    there = [await subscribed(api.port, other) for other in KINDS]
    async with socket_to(api, init=False) as socket:
        code, reason = await socket.closed()
    assert code == 1013
    assert "4 connections" in reason
    for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
        refused = await http.post(api.url, json=SUBSCRIPTION, headers={"accept": accept})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        [error] = refused.json()["errors"]
        assert error["extensions"] == {"code": "OVERLOADED"}
        assert "4 connections" in error["message"]
    answer = await http.post(api.url, json={"query": "{ __typename }"})
    assert answer.json() == {"data": {"__typename": "Query"}}, "what ends by itself is not counted"
    there[KINDS.index(kind)].cut()

    async def is_let_in() -> bool:
        async with http.stream("POST", api.url, json=SUBSCRIPTION, headers=SSE) as response:
            return response.status_code == 200

    await until(is_let_in, "the place of one that left is free")
    for raw in there:
        raw.cut()


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_a_socket_on_which_nothing_is_said_is_closed(api: Api, protocol: str) -> None:
    async with socket_to(api, protocol, init=False) as socket:
        assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_a_socket_is_kept_while_its_other_end_answers_pings_and_closed_when_it_does_not(
    system: System, tmp_path: Path
) -> None:
    with api_beside(system, tmp_path, ping_seconds=0.1, ping_timeout_seconds=1) as api:
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


async def test_a_client_that_goes_away_before_its_stream_began_is_forgotten(api: Api) -> None:
    for _ in range(2 * MOST):
        for kind in KINDS:
            (await connected(api.port, kind)).cut()

    async def is_let_in() -> bool:
        async with socket_to(api, init=False) as socket:
            await socket.send({"type": "ping"})
            try:
                return await socket.receive() == {"type": "pong"}
            except Exception:
                return False

    await until(is_let_in, "those that left are not counted")
