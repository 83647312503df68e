"""A log that is long already: filled once in each run, by SQL, and cloned for each use."""

from __future__ import annotations

from bench.feed.publishing import AMOUNT, account_of
from bench.servers import Servers
from eventstore.database import Database
from examples.bank import bank
from examples.bank.messages import MoneyDeposited

_STREAMS = 1000
_PLACE = "00000000-0000-0000-0000-000000000001"
_FILL = f"""
    insert into events
    select n, 'account-' || account, (n - 1) / {_STREAMS} + 1, 'MoneyDeposited', 1,
           replace($2, '{_PLACE}', account)::json, id, id, null, now()
    from generate_series(1, $1::bigint) as n,
         lateral (select gen_random_uuid() as id, '00000000-0000-0000-0000-'
                         || lpad(to_hex((n - 1) % {_STREAMS} + 1), 12, '0') as account) as made
    order by n
"""


async def database_with_history(servers: Servers, events: int) -> str:
    """The name of a database, for a template, whose log holds this many deposits to 1,000 accounts."""
    name = f"history_{events}"
    url = servers.postgres.url
    admin = Database(url.replace(f"/{servers.postgres.database}?", "/postgres?"))
    try:
        if await admin.fetchval("select true from pg_database where datname = $1", name):
            return name
        await admin.fetch(f'create database "{name}" template "{servers.postgres.database}"')
    finally:
        await admin.close()
    database = Database(
        url.replace(f"/{servers.postgres.database}?", f"/{name}?"), command_timeout_seconds=600
    )
    try:
        await _fill(database, events)
    finally:
        await database.close()
    return name


async def _fill(database: Database, events: int) -> None:
    assert str(account_of(0)) == _PLACE, "the first account"
    data = bank.events["MoneyDeposited"].encode(MoneyDeposited(account_of(0), AMOUNT)).decode()
    async with database.connection() as connection:
        async with connection.transaction():
            await connection.execute(_FILL, events, data)
            await connection.execute("update log_head set position = $1, recorded_at = now()", events)
        await connection.execute("vacuum (analyze, freeze) events")
