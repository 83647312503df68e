"""How far partitions have come, and that the number of partitions is settled for good."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import (
    PartitionsFixed,
    partition_progress,
    settle_partitions,
)
from commander.eventstore.log.event_log import append
from commander.eventstore.records import Progress


async def numbers(database: Database) -> list[int]:
    return [row[0] for row in await database.fetch("select partition from partitions order by 1")]


async def test_the_number_of_partitions_is_settled_once(database: Database) -> None:
    await settle_partitions(database, 4)
    await settle_partitions(database, 4)
    assert await numbers(database) == [0, 1, 2, 3]
    for other in (3, 5):
        with pytest.raises(PartitionsFixed) as caught:
            await settle_partitions(database, other)
        assert f"COMMANDER_PARTITIONS is {other}, but this system was started with 4" in str(caught.value)
    assert await numbers(database) == [0, 1, 2, 3]


async def test_of_many_who_settle_differently_at_once_one_number_holds(database: Database) -> None:
    wanted = [4, 2, 4, 3, 2, 4, 3, 2]
    results = await asyncio.gather(*(settle_partitions(database, n) for n in wanted), return_exceptions=True)
    settled = len(await numbers(database))
    for number, result in zip(wanted, results, strict=True):
        assert result is None if number == settled else isinstance(result, PartitionsFixed)


async def test_the_progress_of_the_partitions_that_are_asked_for(database: Database) -> None:
    await settle_partitions(database, 4)
    created = datetime(2030, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    async with database.connection() as connection:
        await append(connection, [], Progress((1, 2), 2**40, created))
        await append(connection, [], Progress((1,), 5, created))  # it never goes back
        assert await partition_progress(connection, [3, 1]) == {
            1: Progress((1,), 2**40, created),
            3: Progress((3,), 0, None),
        }
        assert await partition_progress(connection, []) == {}
