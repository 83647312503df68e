"""Cursors: all cursors of the API are encoded and decoded here.

rows of a projection    opaque: the list, its order, and a place in it; valid also after the row is gone
commands                opaque: the list and a number; the same for the versions of a row
events of a stream      the version of the event
items of subscriptions  the position of the log, in a later epoch than the first: `2.710`; for rows also
                        `-` and the table; the same in Last-Event-ID

A cursor does not depend on the filter. It is valid under any filter.
"""

from __future__ import annotations

import base64
import re
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from commander.domain import Field
from commander.domain.checking import unusable_scalar
from commander.domain.errors import CommanderError, InvalidRequest
from commander.domain.fields import EnumType, ScalarType
from commander.domain.filters import Order, Place
from commander.eventstore.log.epochs import Epochs
from commander.streaming.live.changes import Cursor

_LIVE = re.compile(r"(?:([2-9]|[1-9][0-9]{1,8})\.)?([0-9]{1,19})(?:-([0-9a-f]{8}))?", re.ASCII)
_LARGEST = 2**63 - 1
LARGEST_VERSION = 2**31 - 1
MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    msgspec.DecodeError,
)


def row_cursor_of(list_name: str, order: Order, place: Place) -> str:
    """The cursor of this place in the order of a list."""
    return _opaque(list_name, shown(order), [written_value(value) for value in place])


def place_from(argument: str, cursor: str, list_name: str, order: Order) -> Place:
    """The place that a cursor encodes.

    Raises InvalidRequest, with this argument, for a text that is not a cursor, and for a cursor of another
    list or order.
    """
    found_order, written = _content(argument, cursor, list_name, 2)
    if found_order != shown(order):
        why = f"; its order is {found_order!s:.100}, not {shown(order)}"
        raise _no_cursor(argument, cursor, list_name, why)
    try:
        return tuple(read_value(field, value) for field, value in zip(order.fields, written, strict=True))
    except MALFORMED as error:
        raise _no_cursor(argument, cursor, list_name) from error


def number_cursor_of(list_name: str, number: int) -> str:
    """The cursor of the item with this number in a list that is ordered by a number."""
    return _opaque(list_name, number)


def number_from(argument: str, cursor: str, list_name: str) -> int:
    """The number that a cursor encodes. Raises InvalidRequest, as place_from does."""
    [number] = _content(argument, cursor, list_name, 1)
    if type(number) is not int or not 0 <= number <= _LARGEST:
        raise _no_cursor(argument, cursor, list_name)
    return number


def version_from(argument: str, cursor: str) -> int:
    """The version that a cursor of a stream's events encodes. Raises InvalidRequest, as place_from does."""
    version = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= 10 else None
    if version is None or version > LARGEST_VERSION:
        raise _no_cursor(argument, cursor, "a stream's events", "; such a cursor is a version")
    return version


class LostCursor(CommanderError):
    """A cursor behind events that were lost when Postgres was set back. Resume after `kept`, in `epoch`.

    kept: the last position up to which the log is what the owner of the cursor has read. epoch: the newest.
    """

    def __init__(self, position: int, kept: int, epoch: int) -> None:
        super().__init__(
            f"the log was set back: what you have read up to position {position} is in it only up to {kept}; "
            f"drop what came after, and subscribe after position {kept} in epoch {epoch}"
        )
        self.kept = kept
        self.epoch = epoch


def must_be_kept(epochs: Epochs, position: int, epoch: int) -> None:
    """Raises LostCursor if the log is no longer what it was in this epoch up to this position."""
    kept = epochs.last_kept(epoch) if epoch <= epochs.current else 0
    if kept is not None and position > kept:
        raise LostCursor(position, kept, epochs.current)


def is_kept(epochs: Epochs, cursor: Cursor) -> bool:
    """Whether the log is still what it was at this cursor."""
    try:
        must_be_kept(epochs, cursor.position, cursor.epoch)
    except LostCursor:
        return False
    return True


def live_cursor_of(cursor: Cursor, epochs: Epochs) -> str:
    """The cursor of a live item. epochs: those of the log that it is of."""
    position = position_cursor_of(cursor.position, epochs)
    return f"{position}-{cursor.table}" if cursor.table else position


def position_cursor_of(position: int, epochs: Epochs) -> str:
    """The cursor of a position."""
    epoch = epochs.at(position)
    return str(position) if epoch == 1 else f"{epoch}.{position}"


def live_cursor_from(argument: str, text: str) -> Cursor:
    """The cursor of a live item. A position without a table is valid: everything after it is sent.

    Raises InvalidRequest, as place_from does.
    """
    match = _LIVE.fullmatch(text)
    if match is None or int(match[2]) > _LARGEST:
        raise _no_cursor(argument, text, "a subscription's items")
    return Cursor(int(match[2]), match[3] or "", int(match[1] or 1))


def _opaque(list_name: str, *content: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([list_name, *content])).decode()


def _content(argument: str, cursor: str, list_name: str, size: int) -> list[Any]:
    """The values in an opaque cursor of this list, without its name. size: how many there must be."""
    try:
        found_list, *content = msgspec.json.decode(base64.urlsafe_b64decode(cursor))
    except MALFORMED as error:
        raise _no_cursor(argument, cursor, list_name) from error
    if len(content) == size and isinstance(found_list, str) and found_list != list_name:
        raise _no_cursor(argument, cursor, list_name, f"; it is a cursor of {found_list:.100}")
    if len(content) != size or found_list != list_name:
        raise _no_cursor(argument, cursor, list_name)
    return list(content)


def _no_cursor(argument: str, cursor: str, list_name: str, why: str = "") -> InvalidRequest:
    return InvalidRequest(argument, f"{cursor[:100]!r} is not a cursor of {list_name}{why}")


def shown(order: Order) -> str:
    """An order as readable text."""
    direction = "DESC" if order.descending else "ASC"
    return ", ".join(f"{field.graphql_name} {direction}" for field in order.fields)


def written_value(value: Any) -> Any:
    """A value for JSON. Numbers that JSON cannot represent exactly are written as text."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.name
    return repr(value) if isinstance(value, float) else str(value)


def read_value(field: Field, written: Any) -> Any:
    """The inverse of written_value. Raises one of MALFORMED for a value that no row can hold."""
    if written is None and field.optional:
        return None
    if isinstance(field.type, EnumType):
        return field.type.python[written]
    assert isinstance(field.type, ScalarType), "the columns of an order are scalars and enums"
    python = field.type.python
    if python in _FROM_TEXT:
        found: Any = _FROM_TEXT[python](msgspec.convert(written, str))
    else:
        found = msgspec.convert(written, python)
    if problem := _impossible(found):
        raise ValueError(problem)
    return found


def _impossible(value: Any) -> str | None:
    match value:
        case float():
            return None
        case Decimal():
            _, _, exponent = value.as_tuple()
            if isinstance(exponent, int) and (exponent < -16_383 or value.adjusted() > 131_071):
                return "Postgres cannot store this number"
            return None
    return unusable_scalar(value)


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    return Decimal("NaN") if value.is_nan() else value


_FROM_TEXT: dict[Any, Any] = {
    float: float,
    Decimal: _decimal,
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
}
