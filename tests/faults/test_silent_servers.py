"""Postgres or NATS is silent: connected, and answering nothing. Every operation ends all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
import psutil

from tests.faults.audit import assert_all_well
from tests.faults.customers import Client
from tests.faults.servers import Servers
from tests.faults.subscriber import Subscriber
from tests.faults.test_servers_gone import READS, codes_of, health
from tests.system import NO_TLS, System

BOUND_SECONDS = 2.0
AT_ONCE_SECONDS = 0.2
SLACK_SECONDS = 1.5
"""Other work of the machine."""
NOBODY = "00000000-0000-0000-0000-000000000000"
DEPOSIT = """mutation ($account: UUID!, $options: CommandOptions) {
  deposit(input: {accountId: $account, amount: "1.00"}, options: $options) { __typename } }"""
RETRY = f'mutation {{ retryDeadLetter(commandId: "{NOBODY}") {{ commandId }} }}'
DROP = f'mutation {{ dropDeadLetter(commandId: "{NOBODY}") }}'
CANCEL = f'mutation {{ cancelCommand(commandId: "{NOBODY}") {{ __typename }} }}'
MORE_READS = (
    "{ deadLetters { id } }",
    "{ commands { edges { node { id } } } }",
    "{ effectFailures { __typename } }",
    "{ reactorFailures { edges { node { key } } } }",
    f'{{ lineage(commandId: "{NOBODY}") {{ settled }} }}',
    f'{{ account(accountId: "{NOBODY}", atLeast: "1") {{ balance }} }}',
)
ACCEPT = {"wait": "ACCEPTED"}


@contextmanager
def silent(process: psutil.Process) -> Iterator[None]:
    """Within it a server does nothing, with all its processes; its connections stay open."""
    stopped = [process, *process.children(recursive=True)]
    for one in stopped:
        with suppress(psutil.NoSuchProcess):
            one.suspend()
    try:
        yield
    finally:
        for one in stopped:
            with suppress(psutil.NoSuchProcess):
                one.resume()


def mutations(account: str) -> dict[str, dict[str, Any]]:
    """The variables of mutations of each kind that needs both servers."""
    made: dict[str, dict[str, Any]] = {
        wait: {"account": account, "options": {"wait": wait}} for wait in ("APPLIED", "PROJECTED")
    }
    made["own id"] = {"account": account, "options": {**ACCEPT, "commandId": str(uuid4())}}
    made["dry"] = {"account": account, "options": {"validateOnly": True}}
    return made


async def bounded(client: Client, document: str, seconds: float, server: str, **variables: Any) -> None:
    """The operation ends in time, with the name of the server and what is wrong with it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await client.ask(document, **variables)
    took = loop.time() - began
    assert codes_of(answer) == ["UNAVAILABLE"], (document, answer)
    extensions = answer["errors"][0]["extensions"]
    assert (extensions["server"], extensions["trouble"]) == (server, "silent"), document
    assert extensions["since"]
    assert took < seconds + SLACK_SECONDS, f"{document} {variables} took {took:.1f} s"


async def told(system: System, server: str) -> None:
    """Health and metrics answer in time, and say which server is silent."""
    loop = asyncio.get_running_loop()
    for what, status in (("live", 200), ("ready", 503)):
        began = loop.time()
        answer = await health(system, what)
        assert loop.time() - began < BOUND_SECONDS + SLACK_SECONDS
        assert answer.status_code == status
    assert answer.json()["parts"][server].startswith("silent since ")
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=10) as http:
        metrics = await http.get(f"http://127.0.0.1:{system.operators_port('api')}/metrics")
    assert f'commander_server_trouble{{server="{server}",state="silent"}} 1.0' in metrics.text
    assert f'commander_server_up{{server="{server}"}} 0.0' in metrics.text


@asynccontextmanager
async def customer(parts: System) -> AsyncIterator[tuple[Client, str]]:
    async with Client(parts.url) as client:
        opened = await client.submit("openAccount", {"owner": "Ada"})
        yield client, str(opened.result["stream"]).partition("-")[2]


async def well_again(parts: System, client: Client, account: str, subscriber: Subscriber) -> None:
    await asyncio.to_thread(parts.wait_ready)
    await client.submit("deposit", {"accountId": account, "amount": "1.00"})  # behind all that were stored
    await assert_all_well(client, subscriber)


async def test_while_postgres_is_silent_everything_ends_in_time(parts: System, servers: Servers) -> None:
    async with customer(parts) as (client, account), Subscriber(parts.ws_url) as subscriber:
        with silent(servers.process("postgres")):
            for seconds in (BOUND_SECONDS, AT_ONCE_SECONDS):  # the first are under way when it is found out
                async with asyncio.TaskGroup() as tasks:
                    for variables in mutations(account).values():
                        tasks.create_task(bounded(client, DEPOSIT, seconds, "Postgres", **variables))
                    for document in (*READS.values(), *MORE_READS, RETRY, DROP, CANCEL):
                        tasks.create_task(bounded(client, document, seconds, "Postgres"))
            await told(parts, "postgres")
            accepted = await client.ask(DEPOSIT, account=account, options=ACCEPT)
            assert accepted["data"]["deposit"]["__typename"] == "CommandAccepted", "it needs only NATS"
        await well_again(parts, client, account, subscriber)


async def test_while_nats_is_silent_everything_ends_in_time(parts: System, servers: Servers) -> None:
    async with customer(parts) as (client, account), Subscriber(parts.ws_url) as subscriber:
        both = mutations(account)
        both["accepted"] = {"account": account, "options": ACCEPT}
        del both["dry"]
        with silent(servers.process("nats")):
            for seconds in (BOUND_SECONDS, AT_ONCE_SECONDS):
                async with asyncio.TaskGroup() as tasks:
                    for variables in both.values():
                        tasks.create_task(bounded(client, DEPOSIT, seconds, "NATS", **variables))
                    tasks.create_task(bounded(client, READS["command"], seconds, "NATS"))
                    tasks.create_task(bounded(client, CANCEL, seconds, "NATS"))
            assert (await client.data(READS["accounts"]))["accounts"]["totalCount"] > 0
            await told(parts, "nats")
        await well_again(parts, client, account, subscriber)
