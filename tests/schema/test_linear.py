"""Text that a client sends is read in linear time: twice the text takes at most some twice as long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from commander.schema.execution.documents import Document, Documents
from tests.schema.built import bank_schema

SCHEMA = bank_schema()._schema
MANY = " ".join(f"x{n}" for n in range(600))


def read(text: str) -> Document:
    return Documents(SCHEMA).read(text)


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
    once, twice = (min(seconds(text(n)) for _ in range(3)) for n in (25_000, 100_000))
    assert twice < max(4 * 3 * once, 0.1), (once, twice)


def seconds(text: str) -> float:
    began = time.process_time()
    assert read(text).errors
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
