"""A server that is set back to an older state stops the system, until `commander restore` was run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from commander.eventstore.log.event_log import head_position
from tests.clusters import Clusters
from tests.e2e.bank import opened
from tests.e2e.parts import Part, Parts
from tests.faults.setting_back import Stores
from tests.faults.waiting import until
from tests.forking import fork_server
from tests.streaming.filling import fill
from tests.system import NO_TLS

EVENTS = """subscription ($after: Position, $logEpoch: Int! = 1) {
  events(after: $after, logEpoch: $logEpoch) { __typename position logEpoch }
}"""
ALL = ("processor", "relay", "api")


@pytest_asyncio.fixture
async def stores(clusters: Clusters) -> AsyncIterator[Stores]:
    async with Stores(clusters.copy("stores")) as started:
        yield started


@pytest.fixture
def parts(stores: Stores, tmp_path: Path) -> Iterator[Parts]:
    with Parts(stores.postgres.url, stores.nats.url, tmp_path) as started:
        yield started


def restore(parts: Parts, *options: str) -> str:
    """What `commander restore` says."""
    ended: subprocess.CompletedProcess[str] = fork_server().run(
        ["restore", *options], {**os.environ, **parts.environment}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


async def stopped(started: list[Part]) -> list[str]:
    """What parts say that stop by themselves: the last line of each."""
    for part in started:
        await until(lambda part=part: part.process.process.poll() is not None, f"the {part.name} stops")
    return [part.process.log.read_text().splitlines()[-1] for part in started]


def waiting(parts: Parts) -> list[Part]:
    """Parts that are started again; none is ready, each says what to run, and the API answers nothing."""
    started = parts.start(*ALL, ready=False)
    for part in started:
        url = f"http://127.0.0.1:{part.operators_port}/health/ready"
        answer = httpx.get(url, timeout=5, verify=NO_TLS)
        while "commander restore" not in answer.text:
            time.sleep(0.05)
            answer = httpx.get(url, timeout=5, verify=NO_TLS)
        assert answer.status_code == 503
    refused = started[-1].query('mutation { openAccount(input: {owner: "Eve"}) { __typename } }')
    assert refused["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert "commander restore" in refused["errors"][0]["message"]
    return started


def ready(started: list[Part]) -> Part:
    """The API, once all parts are ready by themselves."""
    for part in started:
        part.wait_ready()
    return started[-1]


async def followed(api: Part, after: str, count: int, log_epoch: int = 1, resume: str = "") -> list[Any]:
    """The positions of a subscription's events, and the errors. resume: its Last-Event-ID."""
    found: list[Any] = []
    body = {"query": EVENTS, "variables": {"after": after, "logEpoch": log_epoch}}
    headers = {"accept": "text/event-stream", **({"last-event-id": resume} if resume else {})}
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=20) as http,
        http.stream("POST", api.url, json=body, headers=headers) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                given = json.loads(line.removeprefix("data: "))
                if "errors" in given:
                    return [*found, *given["errors"]]
                item = given["data"]["events"]
                if item["__typename"] not in ("CaughtUp", "Heartbeat", "StandsStill"):
                    found.append(int(item["position"]))
                if len(found) == count:
                    break
    return found


async def test_postgres_set_back_behind_nats(stores: Stores, parts: Parts) -> None:
    running = parts.start(*ALL)
    for _ in range(10):
        opened(running[-1])
    await stores.mirrored()
    await stores.copy(stores.postgres)
    running[-1].wait_ready()
    for _ in range(10):
        opened(running[-1])
    lost = {event.command_id for event in (await stores.mirrored())[10:]}

    await stores.set_back(stores.postgres)
    for said in await stopped(running):
        assert "the stream bank-EVENTS ends at 20, the log at 10" in said
        assert "run commander restore" in said
    started = waiting(parts)

    shown = restore(parts)
    assert "10 events of bank-EVENTS are not in the log, from position 11 on" in shown
    assert "nothing was changed" in shown
    assert "10 are still queued and are decided again" in shown
    assert await head_position(stores.database) == 10
    assert "epoch 2 of the log begins at position 11" in restore(parts, "--yes")
    api = ready(started)
    opened(api)
    mirrored = await stores.until_the_same(21)
    assert len(mirrored) == 21
    assert {event.command_id for event in mirrored} >= lost
    assert await followed(api, "9", 12) == list(range(10, 22))
    [lost_cursor] = await followed(api, "15", 1)
    assert lost_cursor["extensions"] == {"code": "CURSOR_LOST", "position": "10", "logEpoch": 2}
    assert await followed(api, "0", 1, resume="15") == [lost_cursor]
    assert await followed(api, "15", 2, log_epoch=2) == [16, 17]
    assert await followed(api, "0", 2, resume="2.15") == [16, 17]
    assert "no difference" in restore(parts)


async def test_a_postgres_that_was_set_back_and_written_again_is_found_by_content(
    stores: Stores, parts: Parts
) -> None:
    """Log and mirror then end at the same position, or the log beyond the mirror."""
    running = parts.start(*ALL)
    for _ in range(4):
        opened(running[-1])
    await stores.mirrored()
    await stores.copy(stores.postgres)
    running[-1].wait_ready()
    for _ in range(4):
        opened(running[-1])
    await stores.mirrored()
    for part in running:
        part.end()
    await stores.set_back(stores.postgres)
    await fill(stores.database, 6)  # by somebody who does not compare
    started = waiting(parts)
    for part in started:
        assert "message 8 of bank-EVENTS is another event" in part.process.log.read_text()

    shown = restore(parts, "--yes", "--save", str(stores.postgres.data_dir / "lost"))
    assert "the same up to position 4" in shown
    assert "4 events of bank-EVENTS are not in the log, from position 5 on" in shown
    assert "6 events of the log are not in bank-EVENTS yet" in shown
    assert "epoch 2 of the log begins at position 5" in shown
    ready(started)
    await stores.until_the_same()
    saved = (stores.postgres.data_dir / "lost").read_text().splitlines()
    assert [json.loads(line)["position"] for line in saved] == [5, 6, 7, 8]


async def test_nats_set_back_loses_no_command_that_it_has(stores: Stores, parts: Parts) -> None:
    running = parts.start(*ALL)
    for _ in range(5):
        opened(running[-1])
    await stores.mirrored()
    await stores.copy(stores.nats)
    running[-1].wait_ready()
    for _ in range(5):
        opened(running[-1])
    log = await stores.log()
    await stores.mirrored()

    await stores.set_back(stores.nats)
    for said in await stopped(running):
        assert "the stream bank-COMMANDS ends at 5, but its message 10 is decided" in said
    started = waiting(parts)
    assert "NATS was set back" in restore(parts, "--yes")
    api = ready(started)
    assert await stores.mirrored() == log  # EVENTS was published again from its end
    for _ in range(8):  # more than were lost: their numbers in COMMANDS were decided before
        opened(api)
    assert len(await stores.log()) == 18


async def test_a_foreign_message_stops_the_relay_and_reaches_no_subscriber(
    stores: Stores, parts: Parts
) -> None:
    [relay] = parts.start("relay")
    processor, api = parts.start("processor", "api")
    for _ in range(3):
        opened(api)
    await stores.mirrored()
    following = asyncio.create_task(followed(api, "0", 5))
    async with stores.jetstream() as jetstream:
        await jetstream.publish("bank.events.account.AccountOpened.account-1", b"{}")
    await asyncio.to_thread(opened, api)  # decided and answered as before
    [said] = await stopped([relay])
    assert "message 4, with the subject bank.events.account.AccountOpened.account-1, is not an event" in said
    await asyncio.to_thread(opened, api)
    assert await following == [1, 2, 3, 4, 5]
    assert processor.process.process.poll() is None and api.process.process.poll() is None

    [relay] = parts.start("relay", ready=False)
    processor.end()
    api.end()
    assert "1 messages in bank-EVENTS are no events" in restore(parts, "--yes")
    relay.wait_ready()
    await stores.until_the_same()
    [api] = parts.start("api")
    assert await followed(api, "0", 5) == [1, 2, 3, 4, 5]
