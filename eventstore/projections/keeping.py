"""Tables that no process keeps up with the log, and the tables that take their place."""

from __future__ import annotations

from collections.abc import Collection

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock, held_keys, lock_key
from commander.eventstore.projections.serving import hold_log, serve
from commander.eventstore.projections.tables import Table


async def kept_up(database: Database, table_names: Collection[str]) -> frozenset[str]:
    """Those of these tables that a process keeps up with the log.

    That is its projector, or for an inline table at the head, the processors. Raises Unavailable.
    """
    held = await held_keys(database, Lock.PROJECTION)
    rows = await database.fetch(
        """select table_name, inline and projections.position >= log_head.position as is_current
           from projections, log_head where table_name = any($1::text[])""",
        list(table_names),
    )
    return frozenset(name for name, is_current in rows if is_current or lock_key(name) in held)


async def take_over(connection: Connection, table: Table, abandoned: str) -> bool:
    """Makes this table serve in the place of one that no process keeps up. Returns whether it serves now.

    It does not if a process keeps the other table up again, if another table serves, or if an operator has
    decided that this table does not serve by itself. connection: that of the table's projector, at the head.
    """
    with reaching_postgres(connection):
        async with connection.transaction():
            await hold_log(connection)
            may = await connection.fetchval(
                """select true from projections as own join projections as other using (name)
                   where own.table_name = $1 and own.state = 'BUILT' and own.serves_when_built
                     and (own.skipped is null or own.served_at is not null)
                     and other.table_name = $2 and other.serving
                     and not exists (
                       select from pg_locks
                       where locktype = 'advisory' and classid = $3 and objid = $4::bigint and granted
                         and database = (select oid from pg_database where datname = current_database())
                     )""",
                table.name,
                abandoned,
                int(Lock.PROJECTION),
                lock_key(abandoned) % 2**32,
            )
            if not may:
                return False
            await serve(connection, table.projection.name, table.name)
    return True
