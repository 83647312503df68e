"""Postgres or NATS is gone while `commander dev` runs on servers that it did not start, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.faults.audit import assert_all_well
from tests.faults.customers import Client
from tests.faults.pace import ends
from tests.faults.servers import Servers
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until
from tests.system import NO_TLS, System

READS = {
    "account": '{ account(accountId: "00000000-0000-0000-0000-000000000000") { balance } }',
    "accounts": "{ accounts { totalCount } }",
    "events": "{ events { edges { node { position } } } }",
    "event": '{ event(position: "1") { type } }',
    "command": '{ command(commandId: "00000000-0000-0000-0000-000000000000") { status } }',
}
ACCEPT = """mutation { openAccount(input: {owner: "Ada"}, options: {wait: ACCEPTED}) {
  __typename ... on CommandAccepted { commandId }
} }"""


async def test_without_postgres_all_answers_unavailable_at_once_and_then_goes_on(
    parts: System, servers: Servers
) -> None:
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        deposit = {"accountId": await _account(client), "amount": "1.00"}
        command_id = str(uuid4())

        await servers.kill("postgres")
        await assert_unavailable(client, client.attempt("deposit", deposit, command_id))
        for read in READS.values():
            await assert_unavailable(client, client.ask(read))
        await assert_not_ready(parts, "postgres")
        assert (await health(parts, "live")).status_code == 200

        await servers.postgres.start()
        await asyncio.to_thread(parts.wait_ready)
        assert (await client.submit("deposit", deposit, command_id)).applied
        await assert_all_well(client, subscriber)
        assert subscriber.connections == 1, "a subscriber that is up to date needs no Postgres"


async def test_what_was_accepted_without_postgres_outlives_kill_9_of_nats(
    parts: System, servers: Servers
) -> None:
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        await servers.kill("postgres")
        accepted = await asyncio.gather(*(client.data(ACCEPT) for _ in range(50)))
        await servers.kill("nats")
        assert {answer["openAccount"]["__typename"] for answer in accepted} == {"CommandAccepted"}

        await servers.start()
        await subscriber.until(lambda: len(subscriber.events) == 50, "each accepted command is decided")
        ids = {answer["openAccount"]["commandId"] for answer in accepted}
        assert {event["commandId"] for event in subscriber.events} == ids
        subscriber.assert_each_position_once()


async def test_without_nats_mutations_answer_unavailable_at_once_reads_go_on(
    parts: System, servers: Servers
) -> None:
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        deposit = {"accountId": await _account(client), "amount": "1.00"}
        command_id = str(uuid4())
        async with asyncio.timeout(20):  # the projections may still be starting
            while (await client.data(READS["accounts"]))["accounts"]["totalCount"] == 0:
                await asyncio.sleep(0.05)

        await servers.kill("nats")
        await assert_unavailable(client, client.attempt("deposit", deposit, command_id))
        assert (await client.data(READS["accounts"]))["accounts"]["totalCount"] > 0
        await assert_not_ready(parts, "nats")

        await servers.nats.start()
        await asyncio.to_thread(parts.wait_ready)
        assert (await client.submit("deposit", deposit, command_id)).applied
        await assert_all_well(client, subscriber)
        assert subscriber.connections == 1, "a subscription outlives an outage of NATS"


@pytest.mark.parametrize(
    ("waits_for", "killed"), [("processor", "postgres"), ("nats", "nats")], ids=["postgres", "nats"]
)
async def test_mutations_under_way_when_a_server_goes_answer_unavailable_soon(
    parts: System, servers: Servers, waits_for: str, killed: str
) -> None:
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        account = await _account(client)
        deposit = {"accountId": account, "amount": "1.00"}
        ids = [str(uuid4()) for _ in range(20)]
        awaited = parts.find("processor") if waits_for == "processor" else servers.process(waits_for)
        with frozen(awaited):  # so that the mutations wait: for their outcome, or to be stored
            attempts = [asyncio.create_task(client.attempt("deposit", deposit, id_)) for id_ in ids]
            await asyncio.gather(*(client.data(READS["accounts"]) for _ in ids))  # behind the mutations
            if waits_for == "processor":  # while NATS is silent, they are ended by and by
                assert not [attempt.result() for attempt in attempts if attempt.done()]
            await servers.kill(killed)
            for attempt in attempts:
                await assert_unavailable(client, attempt)

        await servers.start()
        for command_id in ids:
            await client.submit("deposit", deposit, command_id)
        await assert_all_well(client, subscriber)
        balance = "query ($id: UUID!) { account(accountId: $id) { balance } }"
        assert (await client.data(balance, id=account))["account"]["balance"] == "20.00"


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """Within it the process does nothing; it may end meanwhile."""
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


async def assert_unavailable(client: Client, answering: Awaitable[dict[str, Any]]) -> None:
    """The answer is an error with the code UNAVAILABLE, and comes at once."""
    answer, late = await ends(client, answering)
    assert codes_of(answer) == ["UNAVAILABLE"]
    assert not late(0), late(0)


def codes_of(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


async def assert_not_ready(system: System, culprit: str) -> None:
    """/health/ready becomes 503 and names this server, and no other, as what is missing."""

    async def told() -> bool:
        answer = await health(system, "ready")
        wrong = [name for name, state in answer.json()["parts"].items() if state != "ok"]
        return answer.status_code == 503 and wrong == [culprit]

    await until(told, f"/health/ready names {culprit}")


async def health(system: System, what: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        return await http.get(f"http://127.0.0.1:{system.operators_port('api')}/health/{what}")


async def _account(client: Client) -> str:
    opened = await client.submit("openAccount", {"owner": "Ada"})
    return str(opened.result["stream"]).partition("-")[2]
