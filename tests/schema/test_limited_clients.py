"""Clients that Commander writes, where what they may use is limited: they wait as long as they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.examples.bank.messages import OpenAccount
from commander.resolvers.services import Services
from commander.schema.execution.operations import CommanderSchema
from tests.e2e import python_client, typescript
from tests.schema.test_client_limits import Limited, limited, schema
from tests.streaming.conftest import Bank

__all__ = ["schema"]
WAIT_SECONDS = 1
"""What the API tells a client that has used its one operation."""
Does = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def of_python(api: Limited, transport: str, account: UUID) -> AsyncIterator[tuple[Does, Does]]:
    async with python_client.bank_client(api.url, transport) as client:
        deposit = python_client.bank_package().models.DepositInput(account_id=account, amount=Decimal(1))

        async def followed() -> str:
            async with aclosing(client.follow(0)) as items:
                return type(await anext(items)).__name__

        async def deposited() -> str:
            return type(await client.commands.deposit(deposit)).__name__

        yield deposited, followed


@asynccontextmanager
async def of_typescript(api: Limited, transport: str, account: UUID) -> AsyncIterator[tuple[Does, Does]]:
    await asyncio.to_thread(typescript.built)
    async with typescript.bank_client(api.url, transport, silence_ms=30_000) as client:

        async def deposited() -> str:
            await client.do("deposit", str(account), "1")
            await client.until(lambda: client.outcomes, "the outcome")
            return str(client.outcomes[0]["__typename"])

        async def followed() -> str:
            await client.do("follow", "0")
            await client.until(lambda: client.items, "an item")
            return str(client.items[0]["__typename"])

        yield deposited, followed


async def refused_and_let_in(api: Limited, does: Does) -> Any:
    """What it does in the end. It is refused first, and let in whenever it comes again."""
    came: list[float] = []

    def clock() -> float:
        came.append(time.monotonic())
        return api.clock.now

    api.clock.now += 10
    api.allowances.take_operation("127.0.0.1")
    api.allowances._clock = clock
    before = api.allowances.refused["operations"]
    doing = asyncio.ensure_future(does())
    async with asyncio.timeout(60):
        while api.allowances.refused["operations"] == before and not doing.done():
            await asyncio.sleep(0.01)
        while not doing.done():
            api.clock.now += 10
            await asyncio.sleep(0.02)
        found = await doing
    assert api.allowances.refused["operations"] > before
    assert came[1] - came[0] >= WAIT_SECONDS, "it has not waited as long as it was told"
    return found


@pytest.mark.parametrize("transport", ["sse", "ws"])
@pytest.mark.parametrize("client_of", [of_python, of_typescript])
async def test_a_client_that_has_used_what_it_may_waits_and_is_served(
    schema: CommanderSchema,
    servers: Bank,
    all_parts: Services,
    client_of: Callable[..., Any],
    transport: str,
) -> None:
    account = uuid4()
    await servers.submit(OpenAccount("Ada", account))
    async with (
        limited(schema, all_parts, operations_per_second=1 / WAIT_SECONDS, burst_seconds=WAIT_SECONDS) as api,
        client_of(api, transport, account) as (deposited, followed),
    ):
        assert await refused_and_let_in(api, deposited) == "CommandApplied"
        assert await refused_and_let_in(api, followed) == "AccountOpened"
    log = await servers.log()
    assert [event.type for event in log] == ["AccountOpened", "MoneyDeposited"]
