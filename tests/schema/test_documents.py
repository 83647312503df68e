"""Documents are read once, and none that must not run reaches the execution, on a stream or off it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLError, build_schema
from strawberry.types import ExecutionResult

from commander.examples.bank import bank
from commander.resolvers.services import Limits
from commander.schema import build
from commander.schema.context import Context
from commander.schema.execution.documents import Document, Documents, Operation

NO_SERVICES: Any = SimpleNamespace(limits=Limits(), allowances=None)  # what is refused asks for no more
CONTEXT = Context(NO_SERVICES)
SCHEMA = build_schema("type Query { a: Int b(x: Int): Query }")


def read(text: object) -> Document:
    return Documents(SCHEMA).read(text)


def test_a_document_that_fits_is_read_once_and_kept() -> None:
    documents = Documents(SCHEMA)
    first = documents.read("{ a }")
    assert first.errors == ()
    assert documents.read("{ a }") is first


def test_a_long_document_is_not_kept_for_it_carries_its_values_inside() -> None:
    documents = Documents(SCHEMA)
    text = "{ a #" + "x" * 20_000 + "\n}"
    assert documents.read(text).errors == ()
    assert documents.read(text) is not documents.read(text)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (None, "the request has no query", None),
        ("", "the request has no query", None),
        (5, "the request has no query", None),
        ("{ a", "Syntax Error: Expected Name, found <EOF>.", 1),
        ("{\n  nothing\n}", "Cannot query field 'nothing' on type 'Query'.", 2),
        ("{ b " * 100 + "{ a }" + "}" * 100, "the document is nested more than 64 deep", None),
        ("{ b " * 30 + "{ a }" + "}" * 30, "fields are nested 30 deep; 20 is the limit", None),
        (
            "{" + " a" * 2000 + "}",
            "Syntax Error: Document contains more than 2000 tokens. Parsing aborted.",
            1,
        ),
    ],
)
def test_a_document_that_must_not_run_says_why_and_where(
    text: object, message: str, line: int | None
) -> None:
    [error] = read(text).errors
    assert type(error) is GraphQLError
    assert (error.message, error.extensions) == (message, {"code": "BAD_REQUEST"})
    assert [place.line for place in error.locations or ()] == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("{ a }", None, None),
        ("query A { a }", None, None),
        ("query A { a }", "A", None),
        ("query A { a } query B { a }", "B", None),
        ("query A { a } query B { a }", None, "2 operations; operationName must name one of A, B"),
        ("query A { a }", "B", "no operation with the name 'B'"),
        ("{ a }", "", "no operation with the name ''"),
        ("query A { a }", 5, "no operation with the name 5"),
        ("query A { a }", "B" * 10_000, "no operation with the name 'BBBB"),
    ],
)
def test_the_operation_that_runs_is_the_one_that_was_named(
    text: str, name: object, message: str | None
) -> None:
    found = read(text).operation(name)
    if message is None:
        assert isinstance(found, Operation)
        assert name in (None, found.name)
    else:
        assert isinstance(found, list)
        [error] = found
        assert message in error.message
        assert len(error.message) < 200


REFUSED = [
    ("", "the request has no query"),
    ("{", "Syntax Error"),
    ("{ nothing }", "Cannot query field"),
    ("{a" * 100 + "}" * 100, "nested more than 64 deep"),
    ("query A { __typename } query B { __typename }", "must name one of"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
async def test_a_refusal_is_the_one_answer_off_a_stream_and_on_it(text: str, message: str) -> None:
    schema = build.build_schema(bank)
    answers: list[ExecutionResult] = [await schema.execute(text, context_value=CONTEXT)]
    answers += [answer async for answer in await schema.stream(text, context_value=CONTEXT)]
    assert len(answers) == 2
    for answer in answers:
        assert answer.data is None
        [error] = answer.errors or []
        assert message in error.message


async def test_a_document_that_is_kept_runs_again_with_other_variables() -> None:
    schema = build.build_schema(bank)
    query = "query ($yes: Boolean!) { __typename @include(if: $yes) }"
    found = [(await schema.execute(query, {"yes": yes}, CONTEXT)).data for yes in (True, False, True)]
    assert found == [{"__typename": "Query"}, {}, {"__typename": "Query"}]


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [("{ a ... @defer { a } }", "defer", 9), ("{ a b @stream(initialCount: 1) { a } }", "stream", 7)],
)
def test_a_directive_for_an_answer_in_parts_is_refused_by_its_name(text: str, name: str, column: int) -> None:
    error = read(text).errors[0]
    assert error.message.startswith(
        f"@{name} is not offered: an answer comes in one piece; remove the directive"
    )
    assert error.extensions == {"code": "BAD_REQUEST", "directive": name}
    assert error.locations is not None
    assert [(one.line, one.column) for one in error.locations] == [(1, column)]
