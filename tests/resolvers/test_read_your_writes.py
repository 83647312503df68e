"""Reading one's writes: a projection is waited for until it is there, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from commander.domain.errors import InvalidRequest
from commander.eventstore.projections.folding import ensure_tables, fold
from commander.examples.bank import bank
from commander.resolvers.read_your_writes import AheadOfLog, ProjectionBehind, reached
from commander.resolvers.services import Services
from commander.streaming.projections.progress import ProjectionProgress, Reached
from commander.streaming.projections.projecting import Projector
from tests.streaming.conftest import running
from tests.streaming.filling import fill


async def project(services: Services, position: int) -> None:
    """Moves the projection of accounts, and says so to nobody."""
    table = services.tables["account"]
    await ensure_tables(services.database, services.tables.values())
    async with services.database.connection() as connection:
        await fold(connection, bank, table, [], position)


async def test_who_asks_for_a_position_waits_until_the_projection_is_there(services: Services) -> None:
    table = services.tables["account"]
    await ensure_tables(services.database, [table])
    await fill(services.database, 10)
    waiting = asyncio.create_task(reached(services, table, 10, 10_000))
    async with running(Projector(bank, services.database, services.nats, table).run()):
        now = await waiting
    assert (now.position, now.lag) == (10, 0)


async def test_when_the_time_is_up_the_position_reached_and_the_one_wanted_are_told(
    services: Services,
) -> None:
    await fill(services.database, 10)
    await project(services, 7)
    with pytest.raises(ProjectionBehind) as late:
        await reached(services, services.tables["account"], 9, 0)
    assert (late.value.projection, late.value.position, late.value.wanted) == ("account", 7, 9)
    assert str(late.value) == "account is at position 7 and did not reach 9 in time"
    assert (await reached(services, services.tables["account"], 7, 0)).position == 7


async def test_a_position_beyond_the_log_is_refused_at_once_with_its_head(services: Services) -> None:
    await fill(services.database, 3)
    async with asyncio.timeout(30):
        with pytest.raises(AheadOfLog, match="atLeast: the log ends at position 3; 4 is beyond it") as error:
            await reached(services, services.tables["account"], 4, 60_000)
    assert error.value.head == 3


async def test_how_far_a_projection_is_behind_is_told_without_waiting(services: Services) -> None:
    table = services.tables["account"]
    await project(services, 0)
    await fill(services.database, 5)
    progress = ProjectionProgress(services.nats, services.database, {"account": table})
    await progress.start()
    assert await progress.reached("account") == Reached(0, 5)
    assert (await progress.reached("account")).lag == 5


async def test_a_hint_that_was_lost_is_made_up_for(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.streaming.projections.progress._POLL_SECONDS", 0)
    await fill(services.database, 5)
    await project(services, 3)
    progress = ProjectionProgress(services.nats, services.database, services.tables)
    await progress.start()
    assert await progress.reached("account") == Reached(3, 5)
    await project(services, 5)
    assert await progress.reached("account") == Reached(5, 5)


@pytest.mark.parametrize("timeout_ms", [-1, 60_001])
async def test_a_time_out_of_range_is_refused(services: Services, timeout_ms: int) -> None:
    with pytest.raises(InvalidRequest, match=f"timeoutMs: must be from 0 to 60000, got {timeout_ms}"):
        await reached(services, services.tables["account"], None, timeout_ms)
