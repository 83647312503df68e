"""The tables of a projection, and the one that the API reads.

    BUILDING ─► BUILT        one of the BUILT tables may serve; a table exists until it is dropped

A table that skipped events of unknown types while it was built is held: it serves only after `switch`.

A table is made for each version of a projection's code, and for each rebuild. It is filled while the older
one serves. The transaction that marks it BUILT also makes it serve. It can serve again: keeping.py.

Locks are always taken in the same order, so that no deadlock is possible: the log's head, a table, a record.
A change of the serving table locks the head, as an append with inline projections does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from commander.domain import ProjectionType
from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.projections.tables import Table, drop_table, lock_table, quoted
from commander.eventstore.sessions import unlimited

BUILDING, BUILT = "BUILDING", "BUILT"
_LONG_SECONDS = 24 * 3600
_COLUMNS = """table_name, name, fingerprint, build, shape, state, serves_when_built, serving, inline,
              position, failed_position, error, created_at, built_at, served_at, skipped, traceback"""


class TableGone(CommanderError):
    """The projection's table was dropped. Its projector ends."""


class CannotServe(CommanderError):
    """The table cannot serve, be dropped or be compared. The message says why."""


class ProjectionBuilding(CommanderError):
    """The table that this code can read is still being built. Try again later."""


class TableRecord(NamedTuple):
    """A table of a projection. shape: the types of its columns, see `ProjectionType.shape`; None if unknown.

    serves_when_built: it serves as soon as it is built, and may take over later. failed_position: the event
    that its projector stopped at. skipped: the types of events that its code did not know while it was built,
    with their counts.
    """

    table_name: str
    name: str
    fingerprint: str
    build: int
    shape: dict[str, str] | None
    state: str
    serves_when_built: bool
    serving: bool
    inline: bool
    position: int
    failed_position: int | None
    error: str | None
    created_at: datetime
    built_at: datetime | None
    served_at: datetime | None
    skipped: dict[str, int] | None
    traceback: str | None

    @property
    def is_held(self) -> bool:
        """Whether it is built but does not serve by itself, because it skipped events."""
        return bool(self.skipped) and self.state == BUILT and self.served_at is None

    @property
    def held_because(self) -> str:
        """Why it is held, and what to do."""
        counts = ", ".join(f"{count} of {name}" for name, count in (self.skipped or {}).items())
        return (
            f"{self.table_name} is built but does not serve: it skipped events of types that its code does "
            f"not have ({counts}). If they are renamed, write was=(…); to let it serve as it is: commander "
            f"projections switch {self.name} {self.table_name}"
        )

    def readable_by(self, projection: ProjectionType) -> bool:
        """Whether this code can read the table: the table has all its columns, with the same types."""
        if self.fingerprint == projection.fingerprint:
            return True
        if self.shape is None:
            return False
        return all(
            self.shape.get(name) in (kind, kind.removeprefix("optional "))
            for name, kind in projection.shape.items()
        )


def table_for(projection: ProjectionType, records: Iterable[TableRecord]) -> Table | None:
    """The table that this code reads: the serving one, or else the newest BUILT one of its own version."""
    built = [r for r in records if r.name == projection.name and r.state == BUILT]
    serving = [r for r in built if r.serving and r.readable_by(projection)]
    own = sorted(
        (r for r in built if r.fingerprint == projection.fingerprint and not r.is_held), key=lambda r: r.build
    )
    found = serving or own[-1:]
    return Table(projection, found[0].table_name) if found else None


async def table_records(database: Database, names: Sequence[str] | None = None) -> list[TableRecord]:
    """All tables of these projections (None: of all projections), newest first within each."""
    sql = f"""select {_COLUMNS} from projections where $1::text[] is null or name = any($1)
              order by name, created_at desc, build desc"""
    return [_record(row) for row in await database.fetch(sql, names)]


async def table_record(connection: Connection, table: Table) -> TableRecord:
    """The record of a table. Raises TableGone and Unavailable."""
    with reaching_postgres(connection):
        row = await connection.fetchrow(
            f"select {_COLUMNS} from projections where table_name = $1", table.name
        )
    if row is None:
        raise TableGone(f"the table {table.name} was dropped")
    return _record(row)


def _record(row: asyncpg.Record) -> TableRecord:
    record = TableRecord(*row)
    shape = None if row["shape"] is None else msgspec.json.decode(row["shape"])
    skipped = None if row["skipped"] is None else msgspec.json.decode(row["skipped"])
    return record._replace(shape=shape, skipped=skipped)


async def make_table(connection: Connection, table: Table, build: int = 1, *, serves: bool = True) -> bool:
    """Creates the table and its record; returns False if they exist. Call it in a transaction.

    In an empty log, the first table of a projection serves at once, because there is nothing to fill.
    serves: see `rebuild`.
    """
    shape = msgspec.json.encode(table.projection.shape).decode()
    made = await connection.fetchval(
        """with made as (
               insert into projections (name, fingerprint, table_name, build, shape, serves_when_built)
               values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning table_name
           )
           insert into positions_of_projections (table_name) select table_name from made returning true""",
        table.projection.name,
        table.projection.fingerprint,
        table.name,
        build,
        shape,
        serves,
    )
    if not made:
        await connection.execute(
            "update projections set shape = $2 where table_name = $1 and shape is null", table.name, shape
        )
        return False
    for statement in table.create:
        await connection.execute(statement)
    if await connection.fetchval(
        """select position = 0 and not exists (select from projections where name = $1 and serving)
           from log_head""",
        table.projection.name,
    ):
        await make_indexes(connection, table)
        await mark_built(connection, table)
        await connection.execute(
            "update projections set inline = $2 where table_name = $1", table.name, table.projection.inline
        )
    return True


async def make_indexes(connection: Connection, table: Table) -> bool:
    """Creates the declared indexes unless they exist. Returns False if a row is too large for an index."""
    own = "select count(*) from pg_index where indrelid = $1::text::regclass"
    with reaching_postgres(connection):
        try:
            async with connection.transaction():
                await unlimited(connection)
                if await connection.fetchval(own, quoted(table.name)) <= len(table.create):
                    for statement in table.create_indexes:
                        await connection.execute(statement, timeout=_LONG_SECONDS)
        except asyncpg.ProgramLimitExceededError:
            return False
    return True


async def vacuum(connection: Connection, table: Table) -> None:
    """Removes dead rows and updates statistics, after the many writes of a build."""
    with reaching_postgres(connection):
        await connection.execute("set statement_timeout = 0")  # a transaction cannot contain a vacuum
        await connection.execute(table.vacuum, timeout=_LONG_SECONDS)
        await connection.execute("reset statement_timeout")


async def restart(connection: Connection, table: Table) -> None:
    """Empties the table, sets its checkpoint to 0 and creates its indexes."""
    with reaching_postgres(connection):
        async with connection.transaction():
            await connection.execute(table.truncate)
            await connection.execute("select move_projection($1, 0)", table.name)
            await make_indexes(connection, table)


async def mark_built(connection: Connection, table: Table, skipped: Mapping[str, int] | None = None) -> bool:
    """Marks the table as filled.

    skipped: see TableRecord; such a table does not serve.
    Returns whether it serves from now on. Readers see the old or the new table.
    """
    with reaching_postgres(connection):
        async with connection.transaction():
            await hold_log(connection)
            serves = await connection.fetchval(
                """update projections set state = 'BUILT', built_at = now(), skipped = $2::json
                   where table_name = $1 returning serves_when_built and $2::json is null""",
                table.name,
                msgspec.json.encode(skipped).decode() if skipped else None,
            )
            if serves:
                await serve(connection, table.projection.name, table.name)
    return bool(serves)


async def hold_log(connection: Connection) -> int:
    """Blocks appends until the transaction ends. Returns the head."""
    return int(await connection.fetchval("select head from hold_log()"))


async def switch(database: Database, name: str, table_name: str) -> None:
    """Makes this table serve, for an operator: the one before does not serve again by itself.

    Raises NotFound, and CannotServe while it is being built.
    """
    async with database.connection() as connection, connection.transaction():
        await hold_log(connection)
        state = await connection.fetchval(
            "select state from projections where name = $1 and table_name = $2 for update", name, table_name
        )
        if state is None:
            raise NotFound(f"the projection {name} has no table {table_name}")
        if state != BUILT:
            raise CannotServe(f"{table_name} is being built; try again when it is built")
        await connection.execute(
            """update projections set serves_when_built = (table_name = $2)
               where name = $1 and (serving or table_name = $2)""",
            name,
            table_name,
        )
        await serve(connection, name, table_name)


async def serve(connection: Connection, name: str, table_name: str) -> None:
    """Makes this table serve; the one before leaves inline mode.

    Call it in a transaction that locks the log.
    """
    await connection.execute(
        "update projections set serving = false, inline = false where name = $1 and serving", name
    )
    await connection.execute(
        "update projections set serving = true, served_at = clock_timestamp() where table_name = $1",
        table_name,
    )


async def drop(database: Database, name: str, table_name: str) -> None:
    """Drops a table. Raises NotFound, and CannotServe if it serves or is being read."""
    async with database.connection() as connection, connection.transaction():
        await hold_log(connection)
        serving = await connection.fetchval(
            "select serving from projections where name = $1 and table_name = $2", name, table_name
        )
        if serving is None:
            raise NotFound(f"the projection {name} has no table {table_name}")
        if serving:
            raise CannotServe(f"{table_name} is serving; switch to another table first")
        try:
            await connection.execute("set local lock_timeout = '1s'")  # appends are blocked meanwhile
            await connection.execute(lock_table(table_name))
        except asyncpg.LockNotAvailableError as error:
            raise CannotServe(f"{table_name} is being read; try again") from error
        await connection.execute("delete from projections where table_name = $1", table_name)
        await connection.execute("delete from handling where handler = $1", f"projection {table_name}")
        await connection.execute(drop_table(table_name))
