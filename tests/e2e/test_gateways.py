"""Behind a gateway: events come at once, and what can be done while a server is away is done."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.distance import Far
from commander.dev.embedded import EmbeddedNats
from tests.e2e.bank import apply, opened
from tests.e2e.gateways import haproxy, nginx
from tests.e2e.parts import Parts
from tests.e2e.raw import Raw, connected
from tests.system import NO_TLS, System

FEED = "subscription { events { __typename ... on MoneyDeposited { amount } } }"
STREAMS = ("sse", "multipart")
ACCEPT = """mutation { openAccount(input: {owner: "Ada"}, options: {wait: ACCEPTED}) {
  __typename } }"""
ROUNDS = 5
NO_SERVER = ("backend 'api' has no server available", "backend api has no server available")
"""As versions of HAProxy have it."""


async def arrival(raw: Raw, amount: str) -> float:
    """When the deposit of this amount has come."""
    await raw.until(f'"{amount}"'.encode())
    return time.monotonic()


@pytest.mark.parametrize("kind", STREAMS)
async def test_haproxy_passes_each_event_on_at_once(system: System, tmp_path: Path, kind: str) -> None:
    account = opened(system)
    async with haproxy(tmp_path, [system.port]) as port:
        direct, behind = await connected(system.port, kind, FEED), await connected(port, kind, FEED)
        await asyncio.gather(direct.until(b"CaughtUp"), behind.until(b"CaughtUp"))
        late = []
        for number in range(ROUNDS):
            amount = f"{number + 1}.01"
            both = asyncio.gather(arrival(direct, amount), arrival(behind, amount))
            deposit = {"accountId": account, "amount": amount}
            await asyncio.to_thread(apply, system, "deposit", deposit)
            first, second = await both
            late.append(second - first)
        direct.cut()
        behind.cut()
    assert min(late) < 0.1, late


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_nginx_with_gzip_holds_nothing_back(system: System, tmp_path: Path, accept: str) -> None:
    account = opened(system)
    deposit = {"accountId": account, "amount": "7.77"}
    async with (
        nginx(tmp_path, system.port) as port,
        httpx.AsyncClient(verify=NO_TLS, timeout=5) as http,
        http.stream(
            "POST", f"http://127.0.0.1:{port}/graphql", json={"query": FEED}, headers={"accept": accept}
        ) as answer,
    ):
        assert answer.headers["content-encoding"] == "gzip", "nginx compresses it all the same"
        received = ""
        async for text in answer.aiter_text():
            if "CaughtUp" in text:
                await asyncio.to_thread(apply, system, "deposit", deposit)
            received += text
            if '"7.77"' in received:
                break


async def test_while_postgres_is_away_commands_are_accepted_through_the_gateway(
    database_url: str, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    async with Far(database_url, 0) as postgres, httpx.AsyncClient(verify=NO_TLS, timeout=10) as http:
        with Parts(postgres.url, nats_server.url, tmp_path) as parts:
            [api] = await asyncio.to_thread(parts.start, "api")
            async with haproxy(tmp_path, [api.port]) as port:
                url = f"http://127.0.0.1:{port}/graphql"

                async def asked(query: str) -> tuple[int, Any]:
                    answer = await http.post(url, json={"query": query})
                    return answer.status_code, answer.json()

                accepted = {"data": {"openAccount": {"__typename": "CommandAccepted"}}}
                assert await asked(ACCEPT) == (200, accepted)
                await postgres.__aexit__(None, None, None)
                await until_logged(tmp_path / "haproxy.log", *NO_SERVER)
                assert await asked(ACCEPT) == (200, accepted)
                status, answer = await asked("{ accounts { totalCount } }")
                assert status == 200
                [error] = answer["errors"]
                assert error["extensions"]["code"] == "UNAVAILABLE"
                assert error["extensions"]["server"] == "Postgres", "the API says it, not the gateway"


async def until_logged(log: Path, *texts: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in log.read_text() for text in texts):  # noqa: ASYNC240
            await asyncio.sleep(0.05)


async def test_the_gateway_s_own_errors_have_graphql_s_form(tmp_path: Path) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Is healthy, and ends each connection with another request."""
        if b"/health/ready" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    api = await asyncio.start_server(broken, "127.0.0.1", 0)
    async with (
        api,
        haproxy(tmp_path, [api.sockets[0].getsockname()[1]]) as port,
        httpx.AsyncClient(verify=NO_TLS, timeout=10) as http,
    ):

        async def refused(status: int) -> str:
            answer = await http.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ __typename }"})
            assert (answer.status_code, answer.headers["retry-after"]) == (status, "5")
            assert answer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
            [error] = answer.json()["errors"]
            assert error["extensions"] == {"code": "UNAVAILABLE"}
            message: str = error["message"]
            return message

        assert "may have been stored" in await refused(502)
        api.close()
        await until_logged(tmp_path / "haproxy.log", *NO_SERVER)
        assert "was not sent" in await refused(503)
