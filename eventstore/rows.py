"""The rows that a stretch of events touches: read once, folded in memory, written once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import asyncpg

from commander.domain import Domain, ProjectionFailed
from commander.domain.projections import RowHandler
from eventstore.database import Connection
from eventstore.tables import Table

_REFUSED = (  # by Postgres: a value out of range, null where there must be none, too long for an index
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
_SLICE = 1000
"""How many events are folded at a stretch: some milliseconds, after which others have their turn."""


class Unwritable(Exception):
    """A row holds what its columns cannot."""


class LoggedEvent(Protocol):
    """What a fold reads of a recorded event."""

    @property
    def position(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def schema_version(self) -> int: ...
    @property
    def data(self) -> str: ...


class Touch(NamedTuple):
    """An event that the projection handles, and the keys of the rows it touches (by a column: none)."""

    event: LoggedEvent
    instance: Any
    handler: RowHandler
    keys: Sequence[Any]


def touches_of(domain: Domain, table: Table, events: Iterable[LoggedEvent]) -> list[Touch]:
    """Those of the events that the projection handles. Raises UndecodableEvent, ProjectionFailed."""
    handlers = table.projection.by_event
    found = []
    for event in events:
        handler = handlers.get(event.type)
        if handler is None:
            continue
        instance = domain.decode(event.type, event.schema_version, event.data, event.position)
        if handler.column is not None:
            found.append(Touch(event, instance, handler, ()))
            continue
        try:
            keys = handler.keys(instance)
        except Exception as error:  # the domain's code may raise anything
            raise _failed(table, event, error) from error
        found.append(Touch(event, instance, handler, keys))
    return found


class Rows:
    """Rows of one table as they are after the events folded so far.

    Who alone writes a table may keep its rows from one fold to the next: what is known is not read again.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[Any, Any | None] = {}
        self._changed: dict[Any, None] = {}
        self._by: dict[str, dict[Any, dict[Any, None]]] = {c: {} for c in table.projection.found_by}

    def __len__(self) -> int:
        return len(self._rows)

    def clear(self) -> None:
        self._rows.clear()
        self._changed.clear()
        for column in self._by:
            self._by[column] = {}

    async def read(self, connection: Connection, touches: Sequence[Touch]) -> None:
        """Makes sure of the rows that these touch. Raises Unwritable for a key that no row can have."""
        if self._by:
            self.clear()  # what a column finds is known only for the values that were looked for
        keys = {key for touch in touches for key in touch.keys if key not in self._rows}
        table = self._table
        try:
            if keys:
                binds = [table.key_bind(key) for key in keys]
                self._rows.update(dict.fromkeys(keys))
                self._know(await connection.fetch(table.select_keys, binds))
            for column in self._by:
                values = {
                    getattr(touch.instance, touch.handler.column[1])
                    for touch in touches
                    if touch.handler.column is not None and touch.handler.column[0] == column
                }
                wanted = [table.bind(column, value) for value in values if value is not None]
                self._know(await connection.fetch(table.select_by(column), wanted))
        except (*_REFUSED, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            self.clear()
            raise Unwritable(str(error)) from error

    def _know(self, records: Iterable[Any]) -> None:
        key = self._table.projection.key
        for record in records:
            row = self._table.row_of(record)
            self._rows[getattr(row, key)] = row
            self._index(getattr(row, key), None, row)

    async def apply(self, touches: Sequence[Touch]) -> None:
        """Folds these events, in order. Raises ProjectionFailed at the first that cannot be."""
        for begin in range(0, len(touches), _SLICE):
            if begin:
                await asyncio.sleep(0)
            for touch in touches[begin : begin + _SLICE]:
                for key in self._touched(touch):
                    before = self._rows.get(key)
                    self._rows[key] = after = self._applied(touch, before, key)
                    self._changed[key] = None
                    if self._by:
                        self._index(key, before, after)

    def _touched(self, touch: Touch) -> Sequence[Any]:
        if touch.handler.column is None:
            return touch.keys
        column, field = touch.handler.column
        value = getattr(touch.instance, field)
        return () if value is None else list(self._by[column].get(value, ()))

    def _index(self, key: Any, before: Any | None, after: Any | None) -> None:
        for column, keys_by_value in self._by.items():
            if before is not None:
                keys_by_value.get(getattr(before, column), {}).pop(key, None)
            if after is not None:
                keys_by_value.setdefault(getattr(after, column), {})[key] = None

    def _applied(self, touch: Touch, row: Any | None, key: Any) -> Any | None:
        projection = self._table.projection
        try:
            changed = projection.apply(row, touch.instance, key)
        except Exception as error:  # whatever the domain's code raises stops this projection alone
            raise _failed(self._table, touch.event, error) from error
        if changed is not None:
            if not isinstance(changed, projection.cls):
                reason = f"returned {type(changed).__name__}, not {projection.cls.__name__}"
            elif getattr(changed, projection.key) != key:
                reason = f"returned the row of another {projection.key}"
            else:
                return changed
            raise ProjectionFailed(projection.name, touch.event.position, touch.event.type, reason)
        return changed

    async def write(self, connection: Connection) -> None:
        """Stores what has changed since it was last stored. Raises Unwritable."""
        kept = [row for key in self._changed if (row := self._rows[key]) is not None]
        table = self._table
        gone = [table.key_bind(key) for key in self._changed if self._rows[key] is None]
        try:
            columns = table.columns_of(kept)
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise Unwritable(f"{type(error).__name__}: {error}") from error
        try:
            if kept:
                await connection.execute(table.upsert, *columns)
            if gone:
                await connection.execute(table.delete, gone)
        except _REFUSED as error:
            raise Unwritable(str(error)) from error
        self._changed.clear()


def _failed(table: Table, event: LoggedEvent, error: Exception) -> ProjectionFailed:
    reason = f"{type(error).__name__}: {error}"
    return ProjectionFailed(table.projection.name, event.position, event.type, reason)
