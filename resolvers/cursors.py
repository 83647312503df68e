"""Cursors of lists of rows: a place in an order of a list, opaque, and good whether or not a row is there.

A filter is no part of it: a place stays a place when other rows are left out.
"""

from __future__ import annotations

import base64
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from commander.domain import Field
from commander.domain.checking import unusable_scalar
from commander.domain.errors import InvalidRequest
from commander.domain.fields import EnumType, ScalarType
from commander.eventstore.projections.filters import Order, Place

_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, msgspec.DecodeError)


def cursor_of(list_name: str, order: Order, place: Place) -> str:
    """The cursor of this place in the order of a list."""
    content = [list_name, shown(order), [_written(value) for value in place]]
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode()


def place_from(argument: str, cursor: str, list_name: str, order: Order) -> Place:
    """The place that a cursor stands for.

    Raises InvalidRequest, about this argument, for what is no cursor, or one of another list or order.
    """
    no_cursor = InvalidRequest(argument, f"{cursor[:100]!r} is no cursor of {list_name}")
    try:
        found_list, found_order, written = msgspec.json.decode(base64.urlsafe_b64decode(cursor))
    except _MALFORMED as error:
        raise no_cursor from error
    if found_list != list_name:
        raise InvalidRequest(argument, f"this is a cursor of {found_list!s:.100}, not of {list_name}")
    if found_order != shown(order):
        problem = f"this is a cursor of the order {found_order!s:.100}, not of {shown(order)}"
        raise InvalidRequest(argument, problem)
    try:
        return tuple(_read(field, value) for field, value in zip(order.fields, written, strict=True))
    except _MALFORMED as error:
        raise no_cursor from error


def shown(order: Order) -> str:
    """An order as people read it."""
    direction = "DESC" if order.descending else "ASC"
    return ", ".join(f"{field.graphql_name} {direction}" for field in order.fields)


def _written(value: Any) -> Any:
    """JSON has no NaN, no infinity and no exact decimals: as text it has."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.name
    return repr(value) if isinstance(value, float) else str(value)


def _read(field: Field, written: Any) -> Any:
    """The other way. Raises one of _MALFORMED for what no row could hold there."""
    if written is None and field.optional:
        return None
    if isinstance(field.type, EnumType):
        return field.type.python[written]
    assert isinstance(field.type, ScalarType), "an order is of scalars and enums"
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
                return "Postgres has no such number"
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
