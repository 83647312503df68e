"""d: what reading and writing cost with a short history, and with one a hundred times as long."""

from __future__ import annotations

import asyncio
import http.client
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import msgspec

from bench.measuring import Measure
from bench.processes import MeasurementFailed, until
from bench.projections.history import database_with_money
from bench.projections.plan import Bench
from bench.servers import System
from commander.domain.digests import stored_digest
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.records import Decision, NewEvent, Status, SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import AccountOpened, OpenAccount

APPEND = "append of ten commands"
PAGE = "newest page of 100 events"
ROW = "account(accountId:)"
LIVE = "live account(accountId:) until its snapshot"

_PAGE_QUERY = (
    "query ($after: Position!) { events(after: $after, first: 100) { edges { node { position type } } } }"
)
_LIVE_QUERY = "subscription ($id: UUID!) { account(accountId: $id) { position row { owner balance } } }"
_ROW_QUERY = "query ($id: UUID!) { account(accountId: $id) { owner balance } }"
_TOGETHER = 10


def with_history(measure: str, events: int) -> str:
    """The name of a measure where the log held so many events before."""
    return f"{measure}, {events:,} events"


async def measure_cost(bench: Bench) -> list[Measure]:
    measures = []
    for events in (bench.plan.short_history, bench.plan.long_history):
        template = await database_with_money(bench, events, bench.plan.accounts)
        async with bench.system(template) as system:
            await _built(system)
            async with system.api("commander", "api") as (port, process):
                for name, milliseconds in (await _costs(bench, system, port)).items():
                    measures.append(Measure(with_history(name, events), "ms", median(milliseconds)))
                memory = process.memory() / 2**20
            measures.append(Measure(with_history("memory of the API", events), "MiB", memory))
    return measures


async def _built(system: System) -> None:
    """Fills the projections' tables."""
    async with system.part("commander", "projections") as process:

        async def built() -> bool:
            process.must_run()
            return bool(
                await system.database.fetchval(
                    "select count(*) filter (where built_at is null) = 0 and count(*) > 0 from projections"
                )
            )

        await until(built, timeout_seconds=900)


async def _costs(bench: Bench, system: System, port: int) -> dict[str, list[float]]:
    count = bench.plan.cost_requests
    head = await head_position(system.database)
    accounts = await system.database.fetch(
        "select stream from events where type = 'AccountOpened' limit 1000"
    )
    ids = [row["stream"].partition("-")[2] for row in accounts]
    pages = [{"query": _PAGE_QUERY, "variables": {"after": str(head - 100)}}] * count
    rows = [{"query": _ROW_QUERY, "variables": {"id": ids[n * 7 % len(ids)]}} for n in range(count)]
    return {
        PAGE: await asyncio.to_thread(_asked, port, pages),
        ROW: await asyncio.to_thread(_asked, port, rows),
        LIVE: await asyncio.to_thread(_watched, port, ids[:100]),
        APPEND: await _appended(system, count),
    }


def _asked(port: int, requests: list[dict[str, Any]]) -> list[float]:
    """How long each answer took, one after the other on one connection, the first tenth not counted."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    milliseconds = []
    for request in requests:
        body = msgspec.json.encode(request)
        began = time.perf_counter()
        connection.request("POST", "/graphql", body, {"content-type": "application/json"})
        answer = connection.getresponse().read()
        milliseconds.append((time.perf_counter() - began) * 1000)
        if b'"errors"' in answer or b"null" in answer:
            raise MeasurementFailed(f"not what was asked for: {answer[:500]!r}")
    connection.close()
    return milliseconds[len(requests) // 10 :]


def _watched(port: int, ids: list[str]) -> list[float]:
    """How long it took to subscribe, each on a connection of its own, until the row was there."""
    milliseconds = []
    headers = {"content-type": "application/json", "accept": "text/event-stream"}
    for id_ in ids:
        body = msgspec.json.encode({"query": _LIVE_QUERY, "variables": {"id": id_}})
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/graphql", body, headers)
        answer = connection.getresponse()
        while not (line := answer.readline()).startswith(b"data: {"):
            pass
        milliseconds.append((time.perf_counter() - began) * 1000)
        connection.close()
        if b'"balance"' not in line:
            raise MeasurementFailed(f"no snapshot: {line[:500]!r}")
    return milliseconds[len(ids) // 10 :]


async def _appended(system: System, count: int) -> list[float]:
    milliseconds = []
    async with system.database.connection() as connection:
        for _ in range(count):
            decisions = [_opening(uuid4()) for _ in range(_TOGETHER)]
            began = time.perf_counter()
            await append(connection, decisions, None)
            milliseconds.append((time.perf_counter() - began) * 1000)
    return milliseconds[count // 10 :]


def _opening(account: UUID) -> Decision:
    command = OpenAccount("Ada", account)
    data = bank.commands["OpenAccount"].encode(command)
    command_id = uuid4()
    submitted = SubmittedCommand(
        command_id=command_id,
        type="OpenAccount",
        stream=f"account-{account}",
        data=msgspec.Raw(data),
        correlation_id=command_id,
        submitted_at=datetime.now(UTC),
    )
    event = bank.events["AccountOpened"].encode(AccountOpened(account, "Ada")).decode()
    digest = stored_digest("OpenAccount", data)
    return Decision(submitted, digest, Status.APPLIED, 1, (NewEvent("AccountOpened", 1, event),))
