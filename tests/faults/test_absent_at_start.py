"""A part that starts before Postgres and NATS do says so in one line each, answers, and waits for them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Subprotocol

from commander.dev.embedded import free_port
from tests.faults.customers import Client
from tests.faults.part_process import PartProcess
from tests.faults.servers import Servers
from tests.faults.waiting import until
from tests.system import NO_TLS, PARTS

NOBODY_LISTENS = (
    "cannot reach Postgres at postgresql:///commander?host=",
    "cannot reach NATS at nats://127.0.0.1:",
)
OPEN_ACCOUNT = 'mutation { openAccount(input: {owner: "Ada"}, options: {wait: ACCEPTED}) { __typename } }'


async def test_the_api_answers_unavailable_until_the_servers_appear(servers: Servers, tmp_path: Path) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    postgres_url = servers.postgres.url.replace("postgres@", "postgres:secret@")
    operators = f"127.0.0.1:{free_port()}"
    environment = {
        **servers.environment,
        "COMMANDER_PORT": str(port),
        "COMMANDER_HEALTH_PORT": operators.partition(":")[2],
        "COMMANDER_POSTGRES_URL": postgres_url,
    }
    await servers.stop()

    with PartProcess("api", tmp_path, environment) as api:
        async with (
            httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http,
            Client(f"http://{address}/graphql") as client,
        ):

            async def status(path: str) -> int:
                try:
                    return (await http.get(f"http://{address}/health/{path}")).status_code
                except httpx.TransportError:
                    return 0

            async def live() -> bool:
                return await status("live") == 200

            async def ready() -> bool:
                return await status("ready") == 200

            await until(live, "the API answers")
            assert await status("ready") == 503
            readiness = await http.get(f"http://{operators}/health/ready")
            assert readiness.status_code == 503
            wrong = {name for name, state in readiness.json()["parts"].items() if state != "ok"}
            assert wrong == {"postgres", "nats", "api"}
            for document in (OPEN_ACCOUNT, "{ accounts { totalCount } }"):
                answer = await client.ask(document)
                assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]
            await assert_closed_with_try_again_later(f"ws://{address}/graphql")
            await until(lambda: all(api.lines(told) for told in NOBODY_LISTENS), "it says what it waits for")

            await servers.start()
            await until(ready, "it is ready by itself")
            assert await client.data(OPEN_ACCOUNT) == {"openAccount": {"__typename": "CommandAccepted"}}

        assert await asyncio.to_thread(api.end) == 0
        told = [line.partition("WARNING")[2] for line in api.lines("cannot reach")]
        assert len(told) == len(set(told)), "what is known is not told again"
        for hidden in ("secret", servers.nats.url.removeprefix("nats://").partition("@")[0], "Traceback"):
            assert api.lines(hidden) == []


async def test_every_part_waits_for_the_servers_and_can_be_stopped_meanwhile(
    servers: Servers, tmp_path: Path
) -> None:
    environment = {**servers.environment, "COMMANDER_PORT": str(free_port())}
    await servers.stop()
    with ExitStack() as stack:
        parts = [stack.enter_context(PartProcess(name, tmp_path, environment)) for name in PARTS]
        for part in parts:
            await until(
                lambda part=part: all(part.lines(told) for told in NOBODY_LISTENS),
                f"{part.name} says what it waits for",
            )
        for part in parts:
            assert await asyncio.to_thread(part.end) == 0, part.name
            assert part.lines("Traceback") == []


async def assert_closed_with_try_again_later(url: str) -> None:
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
