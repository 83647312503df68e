"""Bulk reads of an audit: what a COPY gives is what is stored, in pages, and the connection stays usable."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from commander.eventstore.audit.copying import PAGE_BYTES, copied
from commander.eventstore.database import Database

ODD = ["", "\\", "\\N", "a\tb", "line\nline\r\n", '"\\"', "\b\f\v", "ü\u2028🚢", "\\t", "x" * 10]


async def rows(database: Database, *selects: str, columns: int) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    async with aclosing(copied(database, selects, columns)) as pages:
        async for page in pages:
            found += zip(*page, strict=True)
    return found


async def test_any_text_comes_as_it_is(database: Database) -> None:
    await database.fetch("create table odd (n int, text text)")
    await database.fetch("insert into odd select * from unnest($1::int[], $2::text[])", [*range(10)], ODD)
    found = await rows(database, "select n, text, null from odd order by n", columns=3)
    assert found == [(str(n), text, "") for n, text in enumerate(ODD)]


@pytest.mark.parametrize("size", [1, 1000, PAGE_BYTES, 3 * PAGE_BYTES + 1])
async def test_pages_have_whole_rows_and_a_bound(database: Database, size: int) -> None:
    count = 4 if size > 1000 else 5000
    select = f"select n, repeat('x', {size}) from generate_series(1, {count}) as n"
    sizes: list[int] = []
    numbers: list[str] = []
    async with aclosing(copied(database, [select, select], 2)) as pages:
        async for number, text in pages:
            assert all(len(one) == size for one in text)
            numbers += number
            sizes.append(sum(map(len, text)))
    assert numbers == [str(n) for n in range(1, count + 1)] * 2
    assert max(sizes) < 2 * PAGE_BYTES + size


async def test_who_stops_early_can_go_on_with_the_database(database: Database) -> None:
    endless = "select generate_series(1, 10000000), repeat('x', 1000)"  # made row by row
    for _ in range(12):  # more often than there are connections
        async with aclosing(copied(database, [endless], 2)) as pages:
            async for number, _text in pages:
                assert number[0] == "1"
                break
    assert await database.fetchval("select 1") == 1


async def test_nothing_gives_no_page(database: Database) -> None:
    assert await rows(database, columns=1) == []
    assert await rows(database, "select 1 where false", columns=1) == []
