"""Cursors: each place in an order has one that leads back to it; all else is refused, whatever it is."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.domain.errors import InvalidRequest
from commander.domain.filters import Order
from commander.resolvers.cursors import number_from, place_from, row_cursor_of
from tests.eventstore.test_queries import ROWS, TABLE, orders

FIELDS = {field.name: field for field in TABLE.projection.fields}
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def forged(content: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode()


def by(name: str) -> Order:
    return Order((FIELDS[name], FIELDS["number"]))


@given(ROWS[3], orders)
def test_a_cursor_leads_to_its_place(row: Any, order: Order) -> None:
    place = order.place_of(row)
    found = place_from("after", row_cursor_of("rows", order, place), "rows", order)
    assert not order.is_before(found, place) and not order.is_before(place, found)
    assert [type(value) for value in found] == [type(value) for value in place]


@given(st.text(max_size=40), orders)
def test_no_text_but_a_cursor_is_taken_for_one(text: str, order: Order) -> None:
    with pytest.raises(InvalidRequest, match="is not a cursor of rows"):
        place_from("after", text, "rows", order)


@given(json, json, json, orders)
def test_what_was_made_up_is_refused_or_is_a_place(a: Any, b: Any, c: Any, order: Order) -> None:
    shown = msgspec.json.decode(
        base64.urlsafe_b64decode(row_cursor_of("rows", order, (None,) * len(order.fields)))
    )
    for content in (a, [a, b], [a, b, c], ["rows", b, c], ["rows", shown[1], c], ["rows", shown[1], [a, b]]):
        with suppress(InvalidRequest):
            assert len(place_from("after", forged(content), "rows", order)) == len(order.fields)


DEEP = b"[" * 100_000


@pytest.mark.parametrize("before", [b"", b'["rows",', b'["rows","text ASC, number ASC",'])
def test_a_cursor_that_is_nested_too_deep_is_refused(before: bytes) -> None:
    deep = base64.urlsafe_b64encode(before + DEEP).decode()
    with pytest.raises(InvalidRequest, match="is not a cursor of rows"):
        place_from("after", deep, "rows", by("text"))
    with pytest.raises(InvalidRequest, match="is not a cursor of rows"):
        number_from("after", deep, "rows")


IMPOSSIBLE: dict[str, list[Any]] = {
    "text": [None, 5, "a\0b", ["a"]],
    "truth": [None, 1, "true"],
    "whole": [None, 2**63, True, 1.5, "1"],
    "big": [-(2**63) - 1, "9"],
    "real": [None, 1.5, "x", ""],
    "exact": [None, 1, "1e131072", "1e-16384", "1e999999999", "x", ""],
    "identity": [None, 5, "x"],
    "moment": ["2000-01-01", "2000-01-01T00:00:00", "x", 5],
    "day": ["2000-02-30", "x", 5],
    "hour": ["25:00", "12:00:00+01:00", 5],
    "colour": ["BLUE", "red", 1, None, ["RED"], {}],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in IMPOSSIBLE.items() for value in values],
    ids=repr,
)
def test_a_value_that_the_column_cannot_have_makes_no_cursor(name: str, value: Any) -> None:
    content = ["rows", f"{name} ASC, number ASC", [value, 1]]
    with pytest.raises(InvalidRequest, match="is not a cursor of rows"):
        place_from("after", forged(content), "rows", by(name))


def test_a_cursor_of_another_list_or_order_says_which() -> None:
    cursor = row_cursor_of("rows", by("text"), ("a", 1))
    with pytest.raises(InvalidRequest, match=r"before: .* is not a cursor of others; it is a cursor of rows"):
        place_from("before", cursor, "others", by("text"))
    problem = "is not a cursor of rows; its order is text ASC, number ASC, not text DESC, number DESC"
    with pytest.raises(InvalidRequest, match=problem):
        place_from("after", cursor, "rows", by("text").reversed)
