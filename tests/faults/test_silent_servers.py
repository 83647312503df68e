"""Postgres or NATS is silent: connected, and answering nothing. Every operation ends all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psutil

from tests.faults.audit import assert_all_well
from tests.faults.customers import Client
from tests.faults.servers import Servers
from tests.faults.subscriber import Subscriber
from tests.faults.test_servers_gone import READS, codes_of, health
from tests.faults.waiting import until
from tests.system import NO_TLS, System

BOUND_SECONDS = 2.0
AT_ONCE_SECONDS = 0.2
SLACK_SECONDS = 1.5
"""Other work of the machine."""
SLOWED_DOWN = 4
"""How many times longer an operation may take than one that needs no server, when the machine is busy."""
SLOWEST_SECONDS = 8.0
NOBODY = "00000000-0000-0000-0000-000000000000"
DEPOSIT = """mutation ($account: UUID!, $options: CommandOptions) {
  deposit(input: {accountId: $account, amount: "1.00"}, options: $options) { __typename } }"""
RETRY = f'mutation {{ retryDeadLetter(commandId: "{NOBODY}") {{ commandId }} }}'
DROP = f'mutation {{ dropDeadLetter(commandId: "{NOBODY}") {{ status }} }}'
CANCEL = f'mutation {{ cancelCommand(commandId: "{NOBODY}") {{ __typename }} }}'
MORE_READS = (
    "{ deadLetters { commandId } }",
    "{ commands { edges { node { commandId } } } }",
    "{ effectFailures { __typename } }",
    "{ reactorFailures { edges { node { key } } } }",
    f'{{ lineage(commandId: "{NOBODY}") {{ settled }} }}',
    f'{{ account(accountId: "{NOBODY}", atLeast: "1") {{ balance }} }}',
)
ACCEPT = {"wait": "ACCEPTED"}
STREAM_SECONDS = 5.0
EVENTS = "subscription { events { __typename position ... on StandsStill { since reason } } }"
ROWS = "subscription { accounts { position changes { kind } standsStill { since reason } } }"
ROW = """subscription ($account: UUID!) {
  account(accountId: $account) { position row { balance } standsStill { since reason } } }"""
STATUS = "subscription ($id: UUID!) { commandStatus(commandId: $id) { status } }"


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
    (took, answer), (usual, _) = await asyncio.gather(
        timed(client, document, **variables), timed(client, "{ __typename }")
    )
    assert codes_of(answer) == ["UNAVAILABLE"], (document, answer)
    extensions = answer["errors"][0]["extensions"]
    assert (extensions["server"], extensions["trouble"]) == (server, "silent"), document
    assert extensions["since"]
    assert usual < SLOWEST_SECONDS, "an operation that needs no server is answered meanwhile"
    bound = seconds + SLACK_SECONDS + SLOWED_DOWN * usual
    assert took < bound, f"{document} {variables} took {took:.1f} s, and one that needs no server {usual:.1f}"


async def timed(client: Client, document: str, **variables: Any) -> tuple[float, dict[str, Any]]:
    """The seconds that an operation takes, and its answer."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await client.ask(document, **variables)
    return loop.time() - began, answer


async def told(system: System, server: str) -> None:
    """Health and metrics answer in time, and say which server is silent."""
    loop = asyncio.get_running_loop()
    for what, status in (("live", 200), ("ready", 503)):
        began = loop.time()
        answer = await health(system, what)
        assert loop.time() - began < BOUND_SECONDS + 2 * SLACK_SECONDS
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


class Stream:
    """A subscription over Server-Sent Events. answers: what came, in order, until the stream ended."""

    def __init__(self, parts: System, document: str, **variables: Any) -> None:
        self.answers: list[dict[str, Any]] = []
        self._url = parts.url
        self._body = {"query": document, "variables": variables}

    async def read(self) -> None:
        accept = {"accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=30) as http,
            http.stream("POST", self._url, json=self._body, headers=accept) as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    self.answers.append(json.loads(line.removeprefix("data: ")))

    @property
    def last(self) -> dict[str, Any]:
        """The item of the last answer."""
        item: dict[str, Any]
        [item] = self.answers[-1]["data"].values()
        return item


@asynccontextmanager
async def streams(parts: System, account: str) -> AsyncIterator[dict[str, Stream]]:
    """A subscription of each kind, begun; of a command that nothing decides."""
    command_id = str(uuid4())
    opened = {
        "events": Stream(parts, EVENTS),
        "rows": Stream(parts, ROWS),
        "row": Stream(parts, ROW, account=account),
        "status": Stream(parts, STATUS, id=command_id),
    }
    async with Client(parts.url) as client:
        later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        options = {"commandId": command_id, "notBefore": later}
        await client.data(DEPOSIT, account=account, options=options)
        reading = [asyncio.create_task(stream.read()) for stream in opened.values()]
        await until(lambda: all(stream.answers for stream in opened.values()), "each subscription begins")
        try:
            yield opened
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            await client.data(CANCEL.replace(NOBODY, command_id))


async def told_that_they_stand_still(
    parts: System, opened: dict[str, Stream], began: float, server: str
) -> None:
    """Each stream says in time that it stands still, or ends with an error that says it; so do new ones."""
    events, rows, row, status = opened.values()

    def told() -> bool:
        return (
            events.last["__typename"] == "StandsStill"
            and rows.last["standsStill"] is not None
            and row.last["standsStill"] is not None
            and "errors" in status.answers[-1]
        )

    await until(
        told, "each stream says that it stands still", timeout_seconds=STREAM_SECONDS + 2 * SLACK_SECONDS
    )
    assert asyncio.get_running_loop().time() - began < STREAM_SECONDS + 2 * SLACK_SECONDS
    for item in (events.last, rows.last["standsStill"], row.last["standsStill"]):
        assert item["reason"].startswith(f"{server} is silent since ")
        assert item["since"]
    assert rows.last["changes"] == []
    [error] = status.answers[-1]["errors"]
    assert (error["extensions"]["code"], error["extensions"]["server"]) == ("UNAVAILABLE", server)
    assert error["extensions"]["since"]


async def well_again(parts: System, client: Client, account: str, subscriber: Subscriber) -> None:
    await asyncio.to_thread(parts.wait_ready)
    await client.submit("deposit", {"accountId": account, "amount": "1.00"})  # behind all that were stored
    await assert_all_well(client, subscriber)


def moves(opened: dict[str, Stream]) -> bool:
    """Whether none of the streams says that it stands still."""
    events, rows, row, _ = opened.values()
    still = [events.last["__typename"] == "StandsStill"]
    return not any([*still, rows.last["standsStill"], row.last["standsStill"]])


async def test_while_postgres_is_silent_everything_ends_in_time(parts: System, servers: Servers) -> None:
    async with (
        customer(parts) as (client, account),
        Subscriber(parts.ws_url) as subscriber,
        streams(parts, account) as opened,
    ):
        with silent(servers.process("postgres")):
            began = asyncio.get_running_loop().time()
            for seconds in (BOUND_SECONDS, AT_ONCE_SECONDS):  # the first are under way when it is found out
                async with asyncio.TaskGroup() as tasks:
                    for variables in mutations(account).values():
                        tasks.create_task(bounded(client, DEPOSIT, seconds, "Postgres", **variables))
                    for document in (*READS.values(), *MORE_READS, RETRY, DROP, CANCEL):
                        tasks.create_task(bounded(client, document, seconds, "Postgres"))
            await told(parts, "postgres")
            await told_that_they_stand_still(parts, opened, began, "Postgres")
            new = Stream(parts, EVENTS)
            await new.read()
            assert codes_of(new.answers[0]) == ["UNAVAILABLE"]
            accepted = await client.ask(DEPOSIT, account=account, options=ACCEPT)
            assert accepted["data"]["deposit"]["__typename"] == "CommandAccepted", "it needs only NATS"
        await well_again(parts, client, account, subscriber)
        await until(lambda: moves(opened), "each stream moves again", timeout_seconds=10)


async def test_while_nats_is_silent_everything_ends_in_time(parts: System, servers: Servers) -> None:
    async with (
        customer(parts) as (client, account),
        Subscriber(parts.ws_url) as subscriber,
        streams(parts, account) as opened,
    ):
        both = mutations(account)
        both["accepted"] = {"account": account, "options": ACCEPT}
        del both["dry"]
        with silent(servers.process("nats")):
            began = asyncio.get_running_loop().time()
            for seconds in (BOUND_SECONDS, AT_ONCE_SECONDS):
                async with asyncio.TaskGroup() as tasks:
                    for variables in both.values():
                        tasks.create_task(bounded(client, DEPOSIT, seconds, "NATS", **variables))
                    tasks.create_task(bounded(client, READS["command"], seconds, "NATS"))
                    tasks.create_task(bounded(client, CANCEL, seconds, "NATS"))
            assert (await client.data(READS["accounts"]))["accounts"]["totalCount"] > 0
            await told(parts, "nats")
            await told_that_they_stand_still(parts, opened, began, "NATS")
        await well_again(parts, client, account, subscriber)
        await until(lambda: moves(opened), "each stream moves again", timeout_seconds=10)
