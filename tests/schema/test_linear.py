"""Text that a client sends is read in linear time: twice the text takes at most some twice as long."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from graphql import GraphQLError

from commander.domain.errors import InvalidRequest
from commander.domain.filters import Order
from commander.examples.bank import bank
from commander.resolvers.cursors import live_cursor_from, number_from, place_from, version_from
from commander.resolvers.node_ids import read_id
from commander.schema.errors import shortened
from commander.schema.execution.documents import Document, Documents
from commander.schema.http.negotiation import EVENT_STREAM, JSON, Accept, is_json
from commander.schema.http.wire import decoded_json
from commander.schema.types.scalars import SCALARS
from commander.streaming.tracing import traceparent_from
from tests.schema.built import bank_schema

SCHEMA = bank_schema()._schema
ACCOUNT = bank.projections["account"]
MANY = " ".join(f"x{n}" for n in range(600))


def read(text: str) -> Document:
    return Documents(SCHEMA).read(text)


def wrong(text: str) -> None:
    assert read(text).errors


@pytest.mark.parametrize(
    "text",
    [
        lambda n: '{ a(b: "' + '\\"' * n + '") }',
        lambda n: '"' + '\\"' * n,
        lambda n: '"' * n,
        lambda n: '"\n' * n,
        lambda n: '"""' + "x" * n,
        lambda n: '"""' + '\\"""' * n,
        lambda n: '"""a' * n,
        lambda n: "{" + "\n" * n + MANY + "}",
        lambda n: "{" + "," * n + MANY + "}",
        lambda n: "{" + " ".join("a" * (n // 300) + str(m) for m in range(300)) + "}",
        lambda n: "{ a(b: " + "1" * n + ") }",
        lambda n: "#" * n,
        lambda n: "{" * n,
    ],
    ids=range(13),
)
def test_a_document_is_read_in_linear_time(text: Callable[[int], str]) -> None:
    once, twice = (min(seconds(wrong, text(n)) for _ in range(3)) for n in (25_000, 100_000))
    assert twice < max(4 * 3 * once, 0.1), (once, twice)


def refused(reader: Callable[[str], object] | None, text: str) -> None:
    """Reads the text. It is no value of any reader, and an error is all that it may raise."""
    assert reader is not None
    with suppress(ValueError, GraphQLError, InvalidRequest):
        reader(text)


READERS: dict[str, Callable[[str], object]] = {
    **{str(scalar.name): partial(refused, scalar.parse_value) for scalar in SCALARS.values()},
    "JSON text": partial(refused, decoded_json),
    "Accept": lambda text: Accept(text).best((JSON, EVENT_STREAM)),
    "Content-Type": is_json.__wrapped__,
    "traceparent": traceparent_from,
    "cursor of rows": partial(
        refused, lambda text: place_from("after", text, "accounts", Order((ACCOUNT.key_field,)))
    ),
    "cursor of commands": partial(refused, lambda text: number_from("after", text, "commands")),
    "cursor of events": partial(refused, lambda text: version_from("after", text)),
    "cursor of an item": partial(refused, lambda text: live_cursor_from("after", text)),
    "id": partial(refused, lambda text: read_id("id", text, bank.projections)),
    "message of an error": shortened,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "part", ["1", "a", " ", ",a;q=1", '"', ";", "=", "\\", ".0", "e9", "[", '{"a":', "-", "\u0663"], ids=repr
)
def test_a_value_and_a_header_are_read_in_linear_time(reader: Callable[[str], object], part: str) -> None:
    once, twice = (min(seconds(reader, part * n) for _ in range(3)) for n in (10_000, 40_000))
    assert twice < max(4 * 3 * once, 0.1), (once, twice)


def seconds(reader: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    reader(text)
    return time.process_time() - began


def test_an_error_names_the_right_place_in_each_form_of_a_line() -> None:
    [first, second, third] = read("{\r\n  a\n b\r   c\n}").errors
    places = [error.locations for error in (first, second, third)]
    assert places == [[(2, 3)], [(3, 2)], [(4, 4)]]


def test_validation_ends_after_twenty_errors_and_a_message_has_an_end() -> None:
    document = read("{" + MANY + "}")
    assert len(document.errors) == 21
    assert document.errors[-1].message.startswith("there are more errors")
    [long] = read("{ accounts(first: " + "1" * 5000 + ") { edges { cursor } } }").errors
    assert len(long.message) < 400
