"""How events get into a server that is measured: into the log of Commander, into the memory of the others.

Both ways publish the same deposits, to as many accounts as there are streams, in turn, at the same rate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from urllib.request import ProxyHandler, Request, build_opener
from uuid import UUID, uuid4

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.pacing import due
from bench.servers import System
from commander.domain.digests import stored_digest
from commander.eventstore.log.event_log import append
from commander.eventstore.records import Decision, NewEvent, Status, SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, MoneyDeposited
from commander.streaming.nats.signals import log_signals

AMOUNT = Decimal("1.00")
_LARGEST_TRANSACTION = 500


class Publication(msgspec.Struct, frozen=True):
    """events: how many. streams: how many accounts they are of, in turn."""

    events: int
    per_second: float
    streams: int


def account_of(number: int) -> UUID:
    """The account of the stream with this number, from 0."""
    return UUID(int=number + 1)


def stream_of(number: int) -> str:
    return f"account-{account_of(number)}"


async def publish_into(system: System, publication: Publication) -> None:
    """Appends to the log, as a processor does, and tells of the new head. Returns when all is stored."""
    decisions = deposited(publication)
    async with system.database.connection() as connection:
        async for numbers in due(publication.events, publication.per_second):
            for begin in range(numbers.start, numbers.stop, _LARGEST_TRANSACTION):
                end = min(begin + _LARGEST_TRANSACTION, numbers.stop)
                appended = await append(connection, decisions[begin:end], None)
                await system.nats.publish_signals(log_signals(system.nats.names, appended.events))


def deposited(publication: Publication) -> Sequence[Decision]:
    """The decisions of as many deposits, each one event."""
    return [
        _decision(account_of(number % publication.streams), number // publication.streams + 1)
        for number in range(publication.events)
    ]


def _decision(account: UUID, version: int) -> Decision:
    deposit = Deposit(account, AMOUNT)
    data = bank.commands["Deposit"].encode(deposit)
    command_id = uuid4()
    command = SubmittedCommand(
        command_id=command_id,
        type="Deposit",
        stream=f"account-{account}",
        data=msgspec.Raw(data),
        correlation_id=command_id,
        submitted_at=datetime.now(UTC),
    )
    event = bank.events["MoneyDeposited"].encode(MoneyDeposited(account, AMOUNT)).decode()
    digest = stored_digest("Deposit", data)
    return Decision(command, digest, Status.APPLIED, version, (NewEvent("MoneyDeposited", 1, event),))


async def ask_to_publish(port: int, publication: Publication) -> None:
    """Has a peer or a limit publish; returns at once."""
    request = Request(
        f"http://127.0.0.1:{port}/publish",
        data=msgspec.json.encode(publication),
        headers={"content-type": "application/json"},
    )
    await asyncio.to_thread(lambda: build_opener(ProxyHandler({})).open(request, timeout=30).close())


def publish_route(publish: Callable[[Publication], Awaitable[None]]) -> Route:
    """How a peer or a limit in Python is asked to publish; GET tells that it is there."""
    tasks: set[asyncio.Future[None]] = set()

    async def endpoint(request: HttpRequest) -> Response:
        if body := await request.body():
            task = asyncio.ensure_future(publish(msgspec.json.decode(body, type=Publication)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return JSONResponse({})

    return Route("/publish", endpoint, methods=["GET", "POST"])
