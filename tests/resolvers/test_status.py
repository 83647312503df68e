"""Where a command stands: asked, followed from before, during and after, and listed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from commander.domain.errors import InvalidRequest, NotFound
from commander.eventstore.log.command_history import CommandFilter
from commander.eventstore.records import Status
from commander.examples.bank.messages import OpenAccount, Withdraw
from commander.resolvers import status
from commander.resolvers.services import Services
from tests.streaming.conftest import Bank, running


async def followed(services: Services, command_id: UUID) -> list[str]:
    async with asyncio.timeout(15):
        return [
            "ACCEPTED" if state.outcome is None else state.outcome.status
            async for state in status.follow_command(services, command_id)
        ]


async def test_a_queued_command_is_accepted_and_then_ends(servers: Bank, services: Services) -> None:
    command_id = await servers.submit(OpenAccount("Ada", uuid4()))
    assert (await status.command_by_id(services, command_id)).outcome is None
    following = asyncio.create_task(followed(services, command_id))
    await asyncio.sleep(0)
    async with running(servers.processor().run()):
        assert await following == ["ACCEPTED", "APPLIED"]
    assert not services.outcomes._watching


async def test_who_follows_late_is_told_the_end_at_once(servers: Bank, services: Services) -> None:
    async with running(servers.processor().run()):
        command_id = await servers.submit(Withdraw(uuid4(), Decimal(1)))
        await servers.outcome(command_id)
    assert await followed(services, command_id) == ["REJECTED"]


async def test_who_follows_before_the_command_is_sent_hears_of_it(servers: Bank, services: Services) -> None:
    command_id = uuid4()
    following = asyncio.create_task(followed(services, command_id))
    async with running(servers.processor().run()):
        await asyncio.sleep(0.1)
        await servers.submit(OpenAccount("Ada", uuid4()), command_id=command_id)
        assert (await following)[-1] == "APPLIED"


async def test_an_unknown_id_is_an_error(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="there is no command"):
        await status.command_by_id(services, uuid4())
    monkeypatch.setattr(status, "_UNKNOWN_SECONDS", 0.1)
    with pytest.raises(NotFound, match="was submitted within a minute"):
        await followed(services, uuid4())


async def test_commands_are_listed_newest_first_by_pages_and_filters(
    servers: Bank, services: Services
) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        ids = [await servers.submit(OpenAccount("Ada", account))]
        ids += [await servers.submit(Withdraw(account, Decimal(1)), actor="bob") for _ in range(6)]
        await servers.outcome(ids[-1])
    everything = CommandFilter()
    seen: list[UUID] = []
    cursor = None
    while True:
        page = await status.commands_page(services, everything, first=3, after=cursor)
        seen += [outcome.command_id for outcome in page.items]
        if not page.more:
            break
        cursor = status.command_cursor_of(page.items[-1])
    assert seen == list(reversed(ids))
    for where, count in [
        (CommandFilter(statuses=frozenset({Status.REJECTED})), 6),
        (CommandFilter(types=frozenset({"OpenAccount"})), 1),
        (CommandFilter(streams=frozenset({f"account-{account}"})), 7),
        (CommandFilter(correlation_id=ids[3]), 1),
        (CommandFilter(actor="bob"), 6),
        (CommandFilter(actor="eve"), 0),
    ]:
        assert len((await status.commands_page(services, where, first=50)).items) == count


@pytest.mark.parametrize("cursor", ["nonsense", "WyJhY2NvdW50cyIsMV0=", "", "WzEsMiwzXQ=="])
async def test_what_is_no_cursor_of_commands_is_refused(services: Services, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="after: "):
        await status.commands_page(services, CommandFilter(), first=3, after=cursor)
