"""The rows that some events touch. They are read once, folded in memory and written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

import asyncpg
import msgspec

from commander.domain import Domain, ProjectionFailed
from commander.domain.errors import RAISED
from commander.domain.projections import RowHandler
from commander.domain.source import raised
from commander.eventstore.database import Connection
from commander.eventstore.projections.tables import Table

_REJECTED = (  # a value that is out of range, null but required, or too long for an index
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
_SLICE = 1000
"""How many events are folded before the event loop gets its turn: some milliseconds."""


class Unwritable(Exception):
    """A row has a value that its column cannot store."""


class LoggedEvent(Protocol):
    """The part of a recorded event that a fold reads."""

    @property
    def position(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def schema_version(self) -> int: ...
    @property
    def data(self) -> str: ...


E = TypeVar("E", bound=LoggedEvent)


class Touch(msgspec.Struct, gc=False):
    """An event that the projection handles, and the keys of its rows (empty if found by a column)."""

    event: LoggedEvent
    instance: Any
    handler: RowHandler
    keys: Sequence[Any]


def touches_of(domain: Domain, table: Table, events: Iterable[LoggedEvent]) -> list[Touch]:
    """The events that the projection handles. Raises UndecodableEvent and ProjectionFailed."""

    def decode(event: LoggedEvent) -> Any:
        return domain.decode(event.type, event.schema_version, event.data, event.position)

    return touches_by(decode, table, events)


def touches_by(decode: Callable[[E], Any], table: Table, events: Iterable[E]) -> list[Touch]:
    """As `touches_of`, with a function that gives the instance of an event."""
    handlers = table.projection.by_event
    found = []
    for event in events:
        handler = handlers.get(event.type)
        if handler is None:
            continue
        instance = decode(event)
        if handler.column is not None:
            found.append(Touch(event, instance, handler, ()))
            continue
        try:
            keys = handler.keys(instance)
        except RAISED as error:  # the domain's code may raise anything
            raise _failed(table, event, error) from error
        found.append(Touch(event, instance, handler, keys))
    return found


class _Cell:
    """The row with a key; None if there is none. changed: it differs from the stored row."""

    __slots__ = ("changed", "key", "row")

    def __init__(self, key: Any) -> None:
        self.key = key
        self.row: Any | None = None
        self.changed = False


class Rows:
    """Rows of one table after the events folded so far.

    The only writer of a table may keep this object from one fold to the next. Then known rows are not read
    again.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._cells: dict[Any, _Cell] = {}
        self._changed: list[_Cell] = []
        self._by: dict[str, dict[Any, dict[Any, _Cell]]] = {c: {} for c in table.projection.found_by}

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def changed(self) -> int:
        """How many rows differ from the stored ones."""
        return len(self._changed)

    def clear(self) -> None:
        """Drops all rows, changes included. They are read again when needed."""
        self._cells = {}
        self._changed = []
        self._by = {column: {} for column in self._by}

    async def fold(self, connection: Connection, touches: Sequence[Touch]) -> None:
        """Reads the touched rows and folds the events, in order.

        Raises Unwritable for a key that a row cannot have, and ProjectionFailed for the first event that
        cannot be folded.
        """
        cells = await self._read(connection, touches)
        for begin in range(0, len(touches), _SLICE):
            if begin:
                await asyncio.sleep(0)
            for touch, touched in zip(
                touches[begin : begin + _SLICE], cells[begin : begin + _SLICE], strict=True
            ):
                if touch.handler.column is not None:
                    touched = self._found(touch)
                for cell in touched:
                    self._apply(touch, cell)

    async def _read(self, connection: Connection, touches: Sequence[Touch]) -> list[list[_Cell]]:
        """The cells that each event touches by key. Rows that an event finds by a column are read too."""
        known, missing, cells = self._cells, [], []
        for touch in touches:
            touched = []
            for key in touch.keys:
                cell = known.get(key)
                if cell is None:
                    known[key] = cell = _Cell(key)
                    missing.append(key)
                touched.append(cell)
            cells.append(touched)
        table = self._table
        try:
            if missing:
                binds = [table.key_bind(key) for key in missing]
                self._know(await connection.fetch(table.select_keys, binds))
            for column in self._by:
                found = [t.handler.column for t in touches]
                values = {
                    getattr(touch.instance, by[1])
                    for touch, by in zip(touches, found, strict=True)
                    if by is not None and by[0] == column
                }
                wanted = [table.bind(column, value) for value in values if value is not None]
                self._know(await connection.fetch(table.select_by(column), wanted))
        except (*_REJECTED, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise Unwritable(str(error)) from error
        return cells

    def _know(self, records: Iterable[Any]) -> None:
        name = self._table.projection.key
        for record in records:
            row = self._table.row_of(record)
            key = getattr(row, name)
            cell = self._cells.get(key)
            if cell is None:
                self._cells[key] = cell = _Cell(key)
            cell.key, cell.row = key, row
            self._index(cell, None)

    def _found(self, touch: Touch) -> list[_Cell]:
        column, field = touch.handler.column or ("", "")
        value = getattr(touch.instance, field)
        return [] if value is None else list(self._by[column].get(value, {}).values())

    def _index(self, cell: _Cell, before: Any | None) -> None:
        for column, cells in self._by.items():
            if before is not None:
                cells.get(getattr(before, column), {}).pop(cell.key, None)
            if cell.row is not None:
                cells.setdefault(getattr(cell.row, column), {})[cell.key] = cell

    def _apply(self, touch: Touch, cell: _Cell) -> None:
        projection = self._table.projection
        before = cell.row
        try:
            after = projection.apply(before, touch.instance, cell.key)
        except RAISED as error:  # an exception of the domain's code stops only this projection
            raise _failed(self._table, touch.event, error) from error
        if after is not None:
            if not isinstance(after, projection.cls):
                raise _wrong(self._table, touch, f"{type(after).__name__}, not {projection.cls.__name__}")
            key = getattr(after, projection.key)
            if key is not cell.key:
                if key != cell.key:
                    raise _wrong(self._table, touch, f"a row with another {projection.key}")
                cell.key = key  # the next row has this object too, and comparing ids takes long
        cell.row = after
        if not cell.changed:
            cell.changed = True
            self._changed.append(cell)
        if self._by:
            self._index(cell, before)

    def take_changes(self) -> Changes:
        """The changes to store. From now on they count as stored."""
        kept, gone = [], []
        for cell in self._changed:
            cell.changed = False
            if cell.row is None:
                gone.append(cell.key)
            else:
                kept.append(cell.row)
        self._changed = []
        return Changes(kept, gone)


class Changes(NamedTuple):
    """Rows to store, and the keys of those to delete."""

    kept: list[Any]
    gone: list[Any]

    async def write(self, connection: Connection, table: Table) -> None:
        """Writes the changes. Raises Unwritable."""
        columns, keys = self._binds(table)
        with _writable():
            if self.kept:
                await connection.execute(table.upsert, *columns)
            if self.gone:
                await connection.execute(table.delete(), keys)

    async def store(self, connection: Connection, table: Table, up_to: int) -> bool:
        """Writes the changes and moves the checkpoint, in one statement. Returns whether there is one.

        Raises Unwritable.
        """
        columns, keys = self._binds(table)
        with _writable():
            return bool(await connection.fetchval(table.store, *columns, keys, up_to, table.name))

    def _binds(self, table: Table) -> tuple[list[list[Any]], list[Any]]:
        try:
            return table.columns_of(self.kept), [table.key_bind(key) for key in self.gone]
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise Unwritable(f"{type(error).__name__}: {error}") from error


@contextmanager
def _writable() -> Iterator[None]:
    try:
        yield
    except _REJECTED as error:
        if getattr(error, "table_name", None) in ("tables_of_projections", "positions_of_projections"):
            raise  # it is no row of the projection that was rejected
        raise Unwritable(str(error)) from error


def _wrong(table: Table, touch: Touch, returned: str) -> ProjectionFailed:
    name, event = table.projection.name, touch.event
    return ProjectionFailed(name, event.position, event.type, f"returned {returned}")


def _failed(table: Table, event: LoggedEvent, error: BaseException) -> ProjectionFailed:
    return ProjectionFailed(table.projection.name, event.position, event.type, raised(error))
