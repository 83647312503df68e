"""Projections: folding stretches of the log into rows, and reading a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from commander.domain import Domain, ProjectionFailed
from eventstore.database import Connection, Database, reaching_postgres
from eventstore.locks import Lock
from eventstore.records import RecordedEvent
from eventstore.tables import Table

_REFUSED = (  # by Postgres: a value out of range, null where there must be none, too long for an index
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


@dataclass(frozen=True)
class Standing:
    """How far a projection has come; where it has stopped, at which event and why."""

    name: str
    position: int
    failed_position: int | None
    error: str | None


async def ensure_tables(database: Database, tables: Iterable[Table]) -> None:
    """Creates what is missing; safe to call from many processes at once."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1, 0)", int(Lock.MIGRATIONS))
        for table in tables:
            known = await connection.fetchval(
                """insert into projections (name, fingerprint, table_name) values ($1, $2, $3)
                   on conflict do nothing returning true""",
                table.projection.name,
                table.projection.fingerprint,
                table.name,
            )
            if known:
                for statement in table.create:
                    await connection.execute(statement)


async def position_of(connection: Connection, table: Table) -> int:
    """The last position folded into the table."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval(
                "select position from projections where name = $1 and fingerprint = $2",
                table.projection.name,
                table.projection.fingerprint,
            )
        )


async def standings(database: Database, tables: Iterable[Table]) -> list[Standing]:
    """How far each of these tables has come."""
    rows = await database.fetch(
        """select name, position, failed_position, error from projections
           where (name, fingerprint) in (select * from unnest($1::text[], $2::text[])) order by name""",
        [t.projection.name for t in tables],
        [t.projection.fingerprint for t in tables],
    )
    return [Standing(*row) for row in rows]


async def fold(
    connection: Connection, domain: Domain, table: Table, events: Sequence[RecordedEvent], up_to: int
) -> None:
    """Folds these events into the table and moves its checkpoint to `up_to`, in one transaction.

    The touched rows are read once, folded in memory and written once. Raises ProjectionFailed or
    UndecodableEvent, with nothing written, when one of the events cannot be folded.
    """
    decoded = [
        (event, instance) for event in events if (instance := _handled(domain, table, event)) is not None
    ]
    with reaching_postgres(connection):
        try:
            if not decoded:
                await _move(connection, table, up_to)
                return
            async with connection.transaction():
                await _write(connection, table, await _folded(connection, table, decoded))
                await _move(connection, table, up_to)
        except _Unwritable as error:
            event = await _first_unwritable(connection, table, decoded)
            raise ProjectionFailed(table.projection.name, event.position, event.type, str(error)) from error


async def _move(connection: Connection, table: Table, up_to: int) -> None:
    await connection.execute(
        """update projections set position = $3, failed_position = null, error = null, updated_at = now()
           where name = $1 and fingerprint = $2""",
        table.projection.name,
        table.projection.fingerprint,
        up_to,
    )


async def save_failure(connection: Connection, table: Table, position: int, error: str) -> None:
    """Records why a projection stopped, for the command line and readiness to show."""
    with reaching_postgres(connection):
        await connection.execute(
            """update projections set failed_position = $3, error = $4, updated_at = now()
               where name = $1 and fingerprint = $2""",
            table.projection.name,
            table.projection.fingerprint,
            position,
            error,
        )


async def row_by_key(database: Database, table: Table, key: Any) -> Any | None:
    """The row with this key; None when there is none."""
    rows = await database.fetch(table.select_keys, [table.key_bind(key)])
    return table.row_of(rows[0]) if rows else None


def _handled(domain: Domain, table: Table, event: RecordedEvent) -> Any | None:
    type_ = domain.event_type(event.type)
    if type_ is None or type_.cls not in table.projection.handlers:
        return None
    return domain.decode(event.type, event.schema_version, event.data, event.position)


async def _folded(
    connection: Connection, table: Table, decoded: Sequence[tuple[RecordedEvent, Any]]
) -> dict[Any, Any]:
    """The rows that these events touch, by key, as they are after them; None for one that is gone."""
    rows = await _touched_rows(connection, table, [instance for _, instance in decoded])
    for event, instance in decoded:
        key = table.projection.key_of(instance)
        rows[key] = _applied(table, rows.get(key), event, instance)
    return rows


async def _touched_rows(connection: Connection, table: Table, instances: Sequence[Any]) -> dict[Any, Any]:
    keys = list({table.key_bind(table.projection.key_of(instance)) for instance in instances})
    if not keys:
        return {}
    records = await connection.fetch(table.select_keys, keys)
    rows = [table.row_of(record) for record in records]
    return {getattr(row, table.projection.key): row for row in rows}


def _applied(table: Table, row: Any | None, event: RecordedEvent, instance: Any) -> Any | None:
    projection = table.projection
    try:
        changed = projection.apply(row, instance)
    except Exception as error:  # whatever the domain's code raises stops this projection alone
        reason = f"{type(error).__name__}: {error}"
        raise ProjectionFailed(projection.name, event.position, event.type, reason) from error
    if changed is not None:
        if not isinstance(changed, projection.cls):
            reason = f"returned {type(changed).__name__}, not {projection.cls.__name__}"
        elif getattr(changed, projection.key) != projection.key_of(instance):
            reason = f"returned the row of another {projection.key}"
        else:
            return changed
        raise ProjectionFailed(projection.name, event.position, event.type, reason)
    return changed


class _Unwritable(Exception):
    """A row holds what its columns cannot."""


async def _write(connection: Connection, table: Table, rows: dict[Any, Any]) -> None:
    kept = [row for row in rows.values() if row is not None]
    gone = [table.key_bind(key) for key, row in rows.items() if row is None]
    try:
        columns = table.columns_of(kept)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise _Unwritable(f"{type(error).__name__}: {error}") from error
    try:
        if kept:
            await connection.execute(table.upsert, *columns)
        if gone:
            await connection.execute(table.delete, gone)
    except _REFUSED as error:
        raise _Unwritable(str(error)) from error


async def _first_unwritable(
    connection: Connection, table: Table, decoded: Sequence[tuple[RecordedEvent, Any]]
) -> RecordedEvent:
    """Of events that cannot be folded together: the one before which they can, and with which they cannot."""
    writable, unwritable = 0, len(decoded)
    while unwritable - writable > 1:
        middle = (writable + unwritable) // 2
        trial = connection.transaction()
        await trial.start()
        try:
            await _write(connection, table, await _folded(connection, table, decoded[:middle]))
            writable = middle
        except _Unwritable:
            unwritable = middle
        finally:
            await trial.rollback()
    return decoded[unwritable - 1][0]
