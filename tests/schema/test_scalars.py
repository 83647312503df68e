"""The scalars: what they take from variables and from literals, what they refuse, and what they give."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from commander import BigInt
from commander.schema.types.scalars import SCALARS, Position

ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


def from_variable(kind: object, value: Any) -> Any:
    parse = SCALARS[kind].parse_value
    assert parse is not None
    return parse(value)


def from_literal(kind: object, text: str) -> Any:
    parse = SCALARS[kind].parse_literal
    assert parse is not None
    return parse(parse_value(text), None)


def given_out(kind: object, value: Any) -> Any:
    serialize = SCALARS[kind].serialize
    assert serialize is not None
    return serialize(value)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Position, "0", 0),
        (Position, 7, 7),
        (Position, str(2**63 - 1), 2**63 - 1),
        (BigInt, "-9223372036854775808", -(2**63)),
        (BigInt, -5, -5),
        (Decimal, "1.10", Decimal("1.10")),
        (Decimal, "+.5", Decimal("0.5")),
        (Decimal, "5.", Decimal("5")),
        (Decimal, "-1E-3", Decimal("-0.001")),
        (Decimal, 10**40, Decimal(10**40)),
        (Decimal, 0.1, Decimal("0.1")),
        (Decimal, 1e22, Decimal("1E+22")),
        (UUID, str(ID), ID),
        (UUID, ID.hex.upper(), ID),
        (UUID, f"{{{ID}}}", ID),
        (UUID, f"urn:uuid:{ID}", ID),
        (datetime, "2030-01-31T12:00:00.123456000Z", datetime(2030, 1, 31, 12, 0, 0, 123456, UTC)),
        (datetime, "2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        (datetime, "2030-01-31T12:00:00.5+02:00", datetime(2030, 1, 31, 10, 0, 0, 500000, UTC)),
        (date, "2030-01-31", date(2030, 1, 31)),
        (time, "23:59:59.000001", time(23, 59, 59, 1)),
    ],
)
def test_a_variable_is_read_exactly(kind: object, value: Any, expected: Any) -> None:
    found = from_variable(kind, value)
    assert (found, type(found)) == (expected, type(expected))
    assert str(found) == str(expected) or isinstance(expected, datetime)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Position, "7", 7),
        (Position, '"7"', 7),
        (BigInt, "9223372036854775807", 2**63 - 1),
        (Decimal, "0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
        (Decimal, '"0.10"', Decimal("0.10")),
        (Decimal, "1e3", Decimal("1E+3")),
        (UUID, f'"{ID}"', ID),
        (date, '"2030-01-31"', date(2030, 1, 31)),
    ],
)
def test_a_literal_is_read_from_its_digits(kind: object, text: str, expected: Any) -> None:
    assert str(from_literal(kind, text)) == str(expected)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Position, ["-1", "", "1.0", "+1", " 1", "1_0", "\u0663", str(2**63), "9" * 30]),
        (Position, [-1, 1.0, 2**63, True, None]),
        (BigInt, [str(2**63), -(2**63) - 1, "x", 1.5, False, [], "0x1"]),
        (Decimal, ["", " 1", "1 ", "1_0", "\u0661", "NaN", "-Infinity", "1e", "e1", ".", "--1", "1,5"]),
        (Decimal, [True, None, [], {}]),
        (Decimal, ["1" * 1001, "0." + "1" * 1001, "1e1001", "1e-1001", "1e99999999999", float("nan"), 1 / 3]),
        (UUID, ["", "x", 5, str(ID)[:-1], f"{ID}0", b"x"]),
        (UUID, ["0x" + ID.hex[2:], "+" + ID.hex[1:], " " + ID.hex[1:], ID.hex[:15] + "_" + ID.hex[16:]]),
        (UUID, ["\u0663" + ID.hex[1:], "-" + ID.hex[:31]]),
        (datetime, ["", "yesterday", 5, "2030-13-01T00:00:00Z", "0001-01-01T00:00:00+01:00"]),
        (datetime, ["9999-12-31T23:59:59-00:01"]),
        (datetime, ["2030-01-31T12:00:00.1234567Z", "2030-01-31T12:00:00,0000001Z"]),
        (datetime, ["2030-01-31T12:00:00+01:00:30", "2030-01-31T12:00:00+01:00:00.5"]),
        (date, ["2030-02-30", "2030-01-31T12:00:00Z", 20300131]),
        (time, ["25:00", "noon", 12, "12:00:00.1234567"]),
    ],
)
def test_what_does_not_fit_is_refused_naming_the_scalar_and_the_value(
    kind: object, values: list[Any]
) -> None:
    for value in values:
        with pytest.raises(GraphQLError) as refusal:
            from_variable(kind, value)
        assert refusal.value.message.startswith(f"{SCALARS[kind].name} cannot represent ")
        assert len(refusal.value.message) < 250
        assert not refusal.value.message.endswith(": ")


@pytest.mark.parametrize("text", ["true", "null", "RED", "[1]", "{a: 1}"])
@pytest.mark.parametrize("kind", list(SCALARS))
def test_a_literal_of_another_kind_is_refused_with_its_place(kind: object, text: str) -> None:
    with pytest.raises(GraphQLError) as refusal:
        from_literal(kind, text)
    assert "it must be a string or a number" in refusal.value.message
    assert refusal.value.nodes


def test_a_moment_without_a_time_zone_is_left_to_the_domain_which_names_the_field() -> None:
    assert from_variable(datetime, "2030-01-31T12:00:00").tzinfo is None


def test_numbers_that_may_be_too_large_for_json_are_given_as_strings() -> None:
    assert given_out(Position, 2**60) == str(2**60)
    assert given_out(BigInt, -(2**63)) == "-9223372036854775808"
    assert given_out(Decimal, Decimal("1.10")) == "1.10"


def test_moments_are_given_with_their_time_zone() -> None:
    moment = datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert given_out(datetime, moment) == "2030-01-31T12:00:00+02:00"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=9))
def test_any_decimal_comes_back_from_its_own_output(value: Decimal) -> None:
    assert str(from_variable(Decimal, given_out(Decimal, value))) == str(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_json_number_is_read_as_its_shortest_digits_or_refused(value: float) -> None:
    try:
        found = from_variable(Decimal, value)
    except GraphQLError as refusal:
        assert "it must be a string of digits" in refusal.message
        assert len(Decimal(repr(value)).as_tuple().digits) > 15
    else:
        assert float(found) == value
