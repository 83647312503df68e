"""The errors of an answer are few and short, and to find names to suggest is little work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError
from graphql.pyutils import suggestion_list

from commander.schema.errors import MAX_ERRORS, bounded, shortened
from commander.schema.execution.documents import Document, Documents, Operation
from tests.schema.built import bank_schema

COMPARING = (
    "graphql.utilities.validate_input_value",
    "graphql.validation.rules.fields_on_correct_type",
    "graphql.validation.rules.known_argument_names",
)
SCHEMA = bank_schema()._schema


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were compared with all known ones."""
    found: list[str] = []

    def counted(name: str, options: Any) -> list[str]:
        found.append(name)
        return suggestion_list(name, options)

    for module in COMPARING:
        monkeypatch.setattr(sys.modules[module], "suggestion_list", counted)
    return found


def read(text: str) -> Document:
    return Documents(SCHEMA).read(text)


def many(form: Callable[[int], str], count: int) -> str:
    return " ".join(form(n) for n in range(count))


@pytest.mark.parametrize("count", [30, 300])
@pytest.mark.parametrize(
    ("before", "form", "after"),
    [
        ("{", lambda n: f"acounts{n}", "}"),
        ("{ accounts(", lambda n: f"frst{n}: 1", ") { totalCount } }"),
        ("{ accounts(where: {", lambda n: f"ownr{n}: 1", "}) { totalCount } }"),
    ],
    ids=["fields", "arguments", "input fields"],
)
def test_a_document_has_few_errors_and_the_first_ones_suggest_names(
    compared: list[str], before: str, form: Callable[[int], str], after: str, count: int
) -> None:
    errors = read(before + many(form, count) + after).errors
    assert len(errors) == MAX_ERRORS + 1
    assert ["Did you mean" in error.message for error in errors] == [True] * 3 + [False] * (MAX_ERRORS - 2)
    assert 3 <= len(compared) <= 4


def test_the_one_error_of_a_document_suggests_a_name() -> None:
    [error] = read("{ acounts { totalCount } }").errors
    assert "Did you mean 'accounts'" in error.message


@pytest.mark.parametrize("count", [30, 300])
def test_the_first_errors_of_variables_suggest_names(compared: list[str], count: int) -> None:
    operation = read("query ($w: AccountWhere) { accounts(where: $w) { totalCount } }").operation(None)
    assert isinstance(operation, Operation)
    given = {"w": {f"ownr{n}": 1 for n in range(count)}}
    plain = [GraphQLError("an error")] * MAX_ERRORS
    errors = operation.suggesting(plain, given)
    assert ["Did you mean" in error.message for error in errors] == [True] * 3 + [False] * (MAX_ERRORS - 3)
    assert 3 <= len(compared) <= 4


def test_the_last_error_of_an_answer_says_how_many_more_there_are() -> None:
    result = ExecutionResult({}, [GraphQLError(str(n)) for n in range(50)])
    errors = bounded(result.errors or (), complete=True)
    assert [error.message for error in errors[:-1]] == [str(n) for n in range(MAX_ERRORS)]
    assert errors[-1].message == "30 more errors are not shown; 20 is the limit"


def test_long_words_and_long_messages_are_cut() -> None:
    assert shortened(f"no '{'x' * 1000}' here") == f"no '{'x' * 99}… here"
    assert len(shortened("ab " * 1000)) == 1000
    assert shortened("ab " * 10) == "ab " * 10
