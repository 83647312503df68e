"""The scalars of the API: each keeps its value exactly, or refuses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NewType
from uuid import UUID

import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode, print_ast
from strawberry.types.scalar import ScalarDefinition

from commander.domain import BigInt

Position = NewType("Position", int)


def _scalar(
    name: str, description: str, standard: str, serialize: Callable[[Any], str], parse: Callable[[Any], Any]
) -> ScalarDefinition:
    """A scalar that reads variables and literals in the same way. `parse` raises ValueError with the problem.

    standard: the URL of the standard whose form the values have that the API sends.
    `parse` gets a literal number as text with its written digits, never as a binary float.
    """

    def parse_value(value: Any) -> Any:
        try:
            return parse(value)
        except (ValueError, ArithmeticError) as error:
            raise GraphQLError(f"{name} cannot represent {_shown(repr(value))}: {error}") from error

    def parse_literal(node: ValueNode, _variables: Any = None) -> Any:
        written = node.value if isinstance(node, _LITERALS) else None
        try:
            if written is None:
                raise ValueError("it must be a string or a number")
            return parse(written)
        except (ValueError, ArithmeticError) as error:
            message = f"{name} cannot represent {_shown(print_ast(node))}: {error}"
            raise GraphQLError(message, nodes=node) from error

    return strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=standard,
        serialize=serialize,
        parse_value=parse_value,
        parse_literal=parse_literal,
    )


_LITERALS = (IntValueNode, FloatValueNode, StringValueNode)
_WHOLE = re.compile("-?[0-9]{1,19}")
_ID = re.compile("[0-9a-fA-F]{32}")
_BEYOND_MICROSECONDS = re.compile("[.,][0-9]{6}[0-9]*[1-9]")
_MINUTE = timedelta(minutes=1)
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return value

    return parse


def _decimal(value: Any) -> Decimal:
    """From a string, a whole number, or a float of at most 15 digits, which has lost no digit."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise ValueError("it must be a decimal number")
        exact = Decimal(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        exact = Decimal(value)
    elif isinstance(value, float) and len(Decimal(repr(value)).as_tuple().digits) <= 15:
        exact = Decimal(repr(value))
    else:
        raise ValueError("it must be a string of digits: a float loses digits")
    _, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int) or len(digits) > 1000 or exponent < -1000 or exact.adjusted() > 1000:
        raise ValueError("it must be finite and have at most 1000 digits")
    return exact


def _text(parse: Callable[[str], Any], form: str) -> Callable[[Any], Any]:
    def parse_text(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"it must be a string, {form}")
        try:
            return parse(value)
        except ValueError:
            raise ValueError(f"it must be {form}") from None

    return parse_text


def _id(text: str) -> UUID:
    """UUID alone also takes what int takes: signs, underscores, blanks."""
    digits = text.removeprefix("urn:uuid:").removeprefix("{").removesuffix("}").replace("-", "")
    if not _ID.fullmatch(digits):
        raise ValueError("not 32 hexadecimal digits")
    return UUID(digits)


def _moment(text: str) -> datetime:
    """A time that can also be written in UTC, because Postgres stores it in UTC."""
    moment = datetime.fromisoformat(_with_microseconds(text))
    if moment.tzinfo is not None:
        if moment.utcoffset() % _MINUTE:  # type: ignore[operator]  # it has one
            raise ValueError("an offset of whole minutes")
        try:
            moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("beyond the years 1 to 9999 in UTC") from None
    return moment


def _time_of_day(text: str) -> time:
    return time.fromisoformat(_with_microseconds(text))


def _with_microseconds(text: str) -> str:
    """The same text. Raises ValueError for digits beyond microseconds, which Python would cut."""
    if _BEYOND_MICROSECONDS.search(text):
        raise ValueError("beyond microseconds")
    return text


def _iso(value: Any) -> str:
    text: str = value.isoformat()
    return text


_XML_SCHEMA = "https://www.w3.org/TR/xmlschema11-2/"
_DECIMAL_ARITHMETIC = "https://speleotrove.com/decimal/daconvs.html"
"""Its numeric strings are those of Python's Decimal: `1.50`, `1E+3`."""
_RFC = "https://www.rfc-editor.org/rfc/"

SCALARS: Mapping[object, ScalarDefinition] = {
    Position: _scalar(
        "Position",
        "A position in the log, from 1. 0 is before the first event. A string, because it has 64 bits.",
        f"{_XML_SCHEMA}#nonNegativeInteger",
        str,
        _whole(0, 2**63 - 1),
    ),
    BigInt: _scalar(
        "BigInt",
        "A whole number of 64 bits, as a string.",
        f"{_XML_SCHEMA}#long",
        str,
        _whole(-(2**63), 2**63 - 1),
    ),
    Decimal: _scalar("Decimal", "An exact decimal number, as a string.", _DECIMAL_ARITHMETIC, str, _decimal),
    UUID: _scalar(
        "UUID",
        "An id of 128 bits, in hexadecimal digits.",
        f"{_RFC}rfc9562",
        str,
        _text(_id, "32 hexadecimal digits"),
    ),
    datetime: _scalar(
        "DateTime",
        "A date and time with a time zone, in ISO 8601.",
        f"{_RFC}rfc3339",
        _iso,
        _text(_moment, "a date and time like 2030-01-31T12:00:00.123456Z"),
    ),
    date: _scalar(
        "Date",
        "A date, in ISO 8601.",
        f"{_RFC}rfc3339#section-5.6",
        _iso,
        _text(date.fromisoformat, "a date like 2030-01-31"),
    ),
    time: _scalar(
        "Time",
        "A time of day, in ISO 8601.",
        f"{_RFC}rfc3339#section-5.6",
        _iso,
        _text(_time_of_day, "a time like 12:00:00.123456"),
    ),
}
