"""What a document or a body may cost: counted right, and counted fast."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from graphql import parse
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from commander.schema.execution.limits import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_NAME,
    MAX_NESTING,
    BodyLimit,
    excess_of,
    excess_of_tokens,
)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("{ b", ""),
        ("{ b } { b", "}"),
        ('{ b(c: "{{{{") ', "}"),
        (r'{ b(c: "\"{{{{") ', "}"),
        ('{ b(c: """{{ " {{""") ', "}"),
        ("{ # {{{{ \n b ", "}"),
    ],
)
def test_brackets_are_counted_outside_of_strings_and_comments(begin: str, end: str) -> None:
    for depth, allowed in ((MAX_NESTING, True), (MAX_NESTING + 1, False)):
        inner = depth - 1  # the first is open
        text = f"{begin} d(a: {'[' * (inner - 1)}{']' * (inner - 1)})" + (end or "}")
        told = excess_of_tokens(parse(text))
        assert told == (None if allowed else f"the document is nested more than {MAX_NESTING} deep")


def test_a_name_has_a_longest_length() -> None:
    assert excess_of_tokens(parse("{\n" + "a" * MAX_NAME + "}")) is None
    told = excess_of_tokens(parse("{\n" + "a" * (MAX_NAME + 1) + "}"))
    assert told == f"line 2 has a name of {MAX_NAME + 1} characters; {MAX_NAME} is the limit"


def excess(document: str) -> str | None:
    return excess_of(parse(document))


def test_a_usual_document_is_within_the_limits() -> None:
    assert excess("{ a { b { c } } ...F } fragment F on Query { d { e } }") is None


def test_fields_nested_to_the_limit_pass_and_one_more_does_not() -> None:
    assert excess("{ a " * MAX_DEPTH + "{ a }" + "}" * MAX_DEPTH) is None
    assert excess("{ a " * (MAX_DEPTH + 1) + "{ a }" + "}" * (MAX_DEPTH + 1)) == (
        f"fields are nested {MAX_DEPTH + 1} deep; {MAX_DEPTH} is the limit"
    )


def test_depth_is_counted_through_fragments_and_inline_fragments() -> None:
    fields = "{ a " * 10 + "{ a }" + "}" * 10
    split = "{ a " * 11 + "{ ...F }" + "}" * 11 + f"fragment F on Query {fields}"
    assert excess(split) == f"fields are nested 21 deep; {MAX_DEPTH} is the limit"
    inline = "{ a " * 11 + "{ ... on Query " + fields + " }" + "}" * 11
    assert excess(inline) == f"fields are nested 21 deep; {MAX_DEPTH} is the limit"


def test_aliases_are_counted_as_often_as_their_fragment_is_spread() -> None:
    fragment = "fragment F on Query {" + "".join(f" a{n}: b" for n in range(MAX_ALIASES // 2)) + "}"
    assert excess("{ ...F ... { ...F } }" + fragment) is None
    assert excess("{ ...F ... { ...F } x: b }" + fragment) == (
        f"the operation has more than {MAX_ALIASES} aliases"
    )


def test_each_operation_is_held_to_the_limits_by_itself() -> None:
    def aliases(count: int) -> str:
        return "{" + "".join(f" a{n}: b" for n in range(count)) + "}"

    assert excess(f"query A {aliases(60)} query B {aliases(60)}") is None
    assert excess(f"query A {{ b }} query B {aliases(MAX_ALIASES + 1)}") is not None


def test_fragments_that_double_at_every_step_are_walked_once_each() -> None:
    chain = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ... {{ ...F{n + 1} }} }} " for n in range(30))
    began = time.process_time()
    assert excess(f"{{ ...F0 }} {chain} fragment F30 on Query {{ a: b }}") == (
        f"the operation has more than {MAX_ALIASES} aliases"
    )
    assert time.process_time() - began < 1


def test_a_chain_of_fragments_nests_as_its_brackets_do() -> None:
    def chain(length: int) -> str:
        links = "".join(f"fragment F{n} on Query {{ ...F{n + 1} }} " for n in range(length))
        return f"{links} fragment F{length} on Query {{ a }}"

    assert excess("{ ...F0 }" + chain(MAX_NESTING - 2)) is None
    told = f"the document is nested more than {MAX_NESTING} deep through its fragments"
    assert excess("{ ...F0 }" + chain(MAX_NESTING - 1)) == told
    assert excess("{ ...F0 }" + chain(1000)) == told
    # Walked first from where it nests little, a fragment still counts where it nests deep.
    deep = "{ ... " * (MAX_NESTING - 5) + "{ ...F0 }" + "}" * (MAX_NESTING - 5)
    assert excess(f"query A {{ ...F0 }} query B {deep} {chain(3)}") is None
    assert excess(f"query A {{ ...F0 }} query B {deep} {chain(4)}") == told


@pytest.mark.parametrize(
    "document",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { a { ...B } } fragment B on Query { b: c { ...A } }",
        "{ ...Nothing }",
        "fragment A on Query { a }",
        "type A { a: Int }",
    ],
)
def test_what_validation_refuses_anyway_is_let_through_to_it(document: str) -> None:
    assert excess(document) is None


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)}")(scope, receive, send)


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
async def test_a_body_within_the_limit_reaches_the_application_whole(size: int) -> None:
    for content in (b"x" * size, in_parts(size)):
        assert (await posted(content)).text == str(size)


@pytest.mark.parametrize("size", [1001, 5000])
async def test_a_body_above_the_limit_is_answered_with_a_graphql_error(size: int) -> None:
    for content in (b"x" * size, in_parts(size)):
        response = await posted(content)
        assert response.status_code == 413
        assert response.headers["connection"] == "close"
        assert json.loads(response.content) == {
            "errors": [
                {
                    "message": "the request body is larger than 1000 bytes",
                    "extensions": {"code": "BAD_REQUEST"},
                }
            ]
        }


async def in_parts(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100
    yield b"x" * (size % 100)


async def posted(content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    transport = httpx.ASGITransport(app=BodyLimit(echo, max_bytes=1000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/", content=content)
