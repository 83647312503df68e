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
import pytest

from tests.faults.audit import assert_all_well
from tests.faults.customers import Client
from tests.faults.pace import SLACK_SECONDS, ends, until_none_is_wrong
from tests.faults.servers import Servers
from tests.faults.subscriber import Subscriber
from tests.faults.test_servers_gone import READS, codes_of, health
from tests.faults.waiting import until
from tests.system import NO_TLS, System

BOUND_SECONDS = 2.0
AT_ONCE_SECONDS = 0.2
STREAM_SECONDS = 5.0
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


async def wrong_with(
    client: Client, document: str, seconds: float, server: str, variables: dict[str, Any]
) -> list[str]:
    """What is wrong if the operation does not end in time, with the name of the server and its trouble."""
    answer, late = await ends(client, client.ask(document, **variables))
    [error] = answer.get("errors") or [{"extensions": {"code": "no error"}}]
    told = error["extensions"]
    right = {"code": "UNAVAILABLE", "server": server, "trouble": "silent"}
    wrong = [] if right.items() <= told.items() and told["since"] else [f"{document} {variables}: {answer}"]
    return wrong + [f"{document} {variables}: {words}" for words in [late(seconds)] if words]


async def none_hangs(client: Client, account: str, seconds: float, server: str) -> list[str]:
    """Asks for all that needs the silent server, at once. Returns what is wrong with the answers."""
    both = mutations(account)
    asked: list[tuple[str, dict[str, Any]]] = [(CANCEL, {})]
    if server == "Postgres":
        asked += [(document, {}) for document in (*READS.values(), *MORE_READS, RETRY, DROP)]
    else:
        asked.append((READS["command"], {}))
        both["accepted"] = {"account": account, "options": ACCEPT}
        del both["dry"]
    asked += [(DEPOSIT, variables) for variables in both.values()]
    asking = (wrong_with(client, document, seconds, server, variables) for document, variables in asked)
    return [words for wrong in await asyncio.gather(*asking) for words in wrong]


async def told(system: System, server: str) -> list[str]:
    """What is wrong if health and metrics do not answer in time, or do not say which server is silent."""
    loop = asyncio.get_running_loop()
    wrong = []
    for what, status in (("live", 200), ("ready", 503)):
        began = loop.time()
        answer = await health(system, what)
        took = loop.time() - began
        if answer.status_code != status or took > BOUND_SECONDS + 2 * SLACK_SECONDS:
            wrong.append(f"{what}: {answer.status_code} after {took:.1f} s")
    if not answer.json()["parts"][server].startswith("silent since "):
        wrong.append(answer.text)
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=10) as http:
        metrics = await http.get(f"http://127.0.0.1:{system.operators_port('api')}/metrics")
    lines = (
        f'commander_server_trouble{{server="{server}",state="silent"}} 1.0',
        f'commander_server_up{{server="{server}"}} 0.0',
    )
    return wrong + [f"not in /metrics: {line}" for line in lines if line not in metrics.text]


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
        await until_answered(client, DEPOSIT, account=account, options=options)
        reading = [asyncio.create_task(stream.read()) for stream in opened.values()]
        await until(lambda: all(stream.answers for stream in opened.values()), "each subscription begins")
        try:
            yield opened
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            await until_answered(client, CANCEL.replace(NOBODY, command_id))


async def until_answered(client: Client, document: str, **variables: Any) -> dict[str, Any]:
    """The data of the answer. Asks again while a server is unavailable."""
    answer: dict[str, Any] = {}

    async def answered() -> bool:
        nonlocal answer
        try:
            answer = await client.ask(document, **variables)
        except httpx.TransportError:
            return False
        return "errors" not in answer or codes_of(answer) != ["UNAVAILABLE"]

    await until(answered, document)
    assert "errors" not in answer, answer["errors"]
    data: dict[str, Any] = answer["data"]
    return data


async def told_that_they_stand_still(opened: dict[str, Stream], server: str) -> None:
    """Each stream says that it stands still, or ends with an error that says it."""
    events, rows, row, status = opened.values()
    reason = f"{server} is silent since "

    def stands_still() -> bool:
        at = [events.last, rows.last["standsStill"] or {}, row.last["standsStill"] or {}]
        return all(one.get("reason", "").startswith(reason) for one in at) and "errors" in status.answers[-1]

    await until(stands_still, f"each stream says that {server} is silent")
    assert rows.last["changes"] == []
    for item in (events.last, rows.last["standsStill"], row.last["standsStill"]):
        assert item["since"]
    [error] = status.answers[-1]["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"
    assert error["extensions"]["server"] in ("Postgres", "NATS")
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
    async with customer(parts) as (client, account), Subscriber(parts.ws_url) as subscriber:
        await ends_what_is_under_way(parts, servers, client, account, "Postgres")
        async with streams(parts, account) as opened:
            with silent(servers.process("postgres")):
                await all_is_refused(parts, client, account, "Postgres")
                await told_that_they_stand_still(opened, "Postgres")
                new = Stream(parts, EVENTS)
                await new.read()
                assert codes_of(new.answers[0]) == ["UNAVAILABLE"]
                accepted = await until_answered(client, DEPOSIT, account=account, options=ACCEPT)
                assert accepted["deposit"]["__typename"] == "CommandAccepted", "it needs only NATS"
            await well_again(parts, client, account, subscriber)
            await until(lambda: moves(opened), "each stream moves again")


async def test_while_nats_is_silent_everything_ends_in_time(parts: System, servers: Servers) -> None:
    async with customer(parts) as (client, account), Subscriber(parts.ws_url) as subscriber:
        await ends_what_is_under_way(parts, servers, client, account, "NATS")
        async with streams(parts, account) as opened:
            with silent(servers.process("nats")):
                await all_is_refused(parts, client, account, "NATS")
                rows = await until_answered(client, READS["accounts"])
                assert rows["accounts"]["totalCount"] > 0, "it needs only Postgres"
                await told_that_they_stand_still(opened, "NATS")
            await well_again(parts, client, account, subscriber)
            await until(lambda: moves(opened), "each stream moves again")


@pytest.mark.parametrize("server", ["Postgres", "NATS"])
async def test_streams_say_in_time_that_they_stand_still(
    parts: System, servers: Servers, server: str
) -> None:
    async with customer(parts) as (client, account):

        async def turn() -> list[str]:
            async with streams(parts, account) as opened:
                with silent(servers.process(server.lower())):
                    _, late = await ends(client, told_that_they_stand_still(opened, server))
                await asyncio.to_thread(parts.wait_ready)
            return [words for words in [late(STREAM_SECONDS)] if words]

        await until_none_is_wrong(turn, "each stream tells it in time")


async def ends_what_is_under_way(
    parts: System, servers: Servers, client: Client, account: str, server: str
) -> None:
    """What has been sent when the server falls silent ends as soon as that is found out."""

    async def turn() -> list[str]:
        with silent(servers.process(server.lower())):
            wrong = await none_hangs(client, account, BOUND_SECONDS, server)
        await asyncio.to_thread(parts.wait_ready)
        await client.submit("deposit", {"accountId": account, "amount": "1.00"})
        return wrong

    await until_none_is_wrong(turn, "what is under way ends in time")


async def all_is_refused(parts: System, client: Client, account: str, server: str) -> None:
    """Once it is known that a server is silent, what needs it is refused at once. Operators are told."""

    async def turn() -> list[str]:
        await client.ask(READS["command"])  # the first is answered when it is found out
        refused = await none_hangs(client, account, AT_ONCE_SECONDS, server)
        return refused + await told(parts, server.lower())

    await until_none_is_wrong(turn, "what comes later is refused at once")
