"""Bad input over HTTP: an answer in GraphQL's form that says what and where, from a server that goes on."""

from __future__ import annotations

import json
import re
import socket
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.bank import apply, document_of, submit
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")

HTTP = httpx.Client(timeout=30, verify=NO_TLS)
JSON = {"content-type": "application/json"}
INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|/site-packages|<class |<.* object at|\b(select|insert|update) .* (from|into)\b"
    r"|asyncpg|msgspec|strawberry|nats\b|\b[A-Z][a-z]+(Error|Exception)\b|codec|recursion"
)


def checked(response: httpx.Response, *, more: bool = False) -> list[dict[str, Any]]:
    """The errors of an answer, which must have GraphQL's form, a code, and nothing internal.

    more: the last one says that there are more.
    """
    assert response.headers["content-type"].startswith("application/json"), response.text
    answer = response.json()
    assert answer.get("data") is None
    assert set(answer) <= {"data", "errors"}
    for error in answer["errors"]:
        assert error["message"], answer
        last = more and error is answer["errors"][-1]
        assert error["extensions"]["code"] == ("MORE_ERRORS" if last else "BAD_REQUEST"), answer
        assert not INTERNALS.search(error["message"]), error["message"]
    errors: list[dict[str, Any]] = answer["errors"]
    return errors


def sent(system: System, body: bytes, *, status: int, headers: dict[str, str] | None = None) -> str:
    """The message of the one error that this body is answered with."""
    response = HTTP.post(system.url, content=body, headers=JSON if headers is None else headers)
    assert response.status_code == status, response.text
    [error] = checked(response)
    message: str = error["message"]
    return message


def refused(system: System, document: str, variables: Any = None, **more: Any) -> dict[str, Any]:
    """The one error that this request is answered with; its strings may hold lone surrogates."""
    body = json.dumps({"query": document, "variables": variables, **more}).encode()
    response = HTTP.post(system.url, content=body, headers=JSON)
    [error] = checked(response)
    return error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the request is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"hello", "the request is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"query": ', "the request is not JSON: Expecting value: line 1 column 11 (char 10)"),
        (b'{"query": "\xff"}', "the request is not JSON: it is not UTF-8: line 1 column 12 (char 11)"),
        (b"5", "the request must be a JSON object with a query"),
        (b"null", "the request must be a JSON object with a query"),
        (b'"{__typename}"', "the request must be a JSON object with a query"),
        (b"{}", "the request has no query"),
        (b'{"query": null}', "the request has no query"),
        (b'{"query": ""}', "the request has no query"),
        (b'{"query": 5}', "query must be a string"),
        (b'{"query": "{__typename}", "variables": [1]}', "variables must be an object"),
        (b'{"query": "{__typename}", "variables": "x"}', "variables must be an object"),
        (b'{"query": "{__typename}", "operationName": ["x"]}', "operationName must be a string"),
        (b"[]", "an array must have from 1 to 10 requests, got 0"),
        (b"[" * 200_000, "the request is not JSON: it is nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "the request is not JSON: it is nested too deep"),
        (b'{"query": ' + b"9" * 5000 + b"}", "the request is not JSON: a number has too many digits"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else "",
)
def test_a_body_that_is_no_request_is_answered_with_what_is_wrong(
    system: System, body: bytes, message: str
) -> None:
    assert message in sent(system, body, status=400)


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""),
        *("application/json; charset=utf-16", "text/x-application/json"),
    ],
)
def test_another_content_type_is_refused(system: System, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    message = sent(system, b'{"query": "{__typename}"}', status=415, headers=headers)
    assert message == "the request's content-type must be application/json, in UTF-8"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_refused(system: System, method: str) -> None:
    response = HTTP.request(method, system.url)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    checked(response)


def test_a_body_of_100_mb_is_refused_before_it_is_sent(system: System) -> None:
    with socket.create_connection(("127.0.0.1", system.port), timeout=10) as connection:
        head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: 100000000\r\n\r\n".encode())
        answer = connection.makefile("rb").read().decode()  # to its end: the server closes
    assert answer.startswith("HTTP/1.1 413 ")
    assert "the request body is larger than 1048576 bytes" in answer


def test_a_body_of_100_mb_in_chunks_is_refused_once_it_is_above_the_limit(system: System) -> None:
    chunks = (b"x" * 100_000 for _ in range(1000))
    response = HTTP.post(system.url, content=chunks, headers=JSON)
    assert response.status_code == 413
    assert checked(response)[0]["message"] == "the request body is larger than 1048576 bytes"


def test_a_body_at_the_limit_is_read(system: System) -> None:
    start, end = b'{"query": "{__typename} #', b'"}'
    body = start + b"x" * (1024 * 1024 - len(start) - len(end)) + end
    assert HTTP.post(system.url, content=body, headers=JSON).json() == {"data": {"__typename": "Query"}}
    sent(system, body[:-2] + b"x" + end, status=413)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "Syntax Error: Expected Name, found <EOF>."),
        ("{a" * 1000 + "}" * 1000, "Syntax Error: Document is nested too deeply"),
        ("{a(b: " + "[" * 1000 + "]" * 1000 + ")}", "Syntax Error: Document is nested too deeply"),
        ("{" + "".join(f" a{n}: __typename" for n in range(10_000)) + "}", "more than 2000 tokens"),
        ("{" + "".join(f" a{n}: __typename" for n in range(101)) + "}", "more than 100 aliases"),
        ("{" + " __typename" * 3000 + "}", "more than 2000 tokens"),
        (
            "{...A} fragment A on Query {...B} fragment B on Query {...A}",
            "Cannot spread fragment 'A' within itself via 'B'.",
        ),
        ("{...A}", "Unknown fragment 'A'."),
        (
            "{ __schema { types " + "{ ofType " * 25 + "{ name }" + " }" * 25 + " } }",
            "fields are nested 27 deep; 20 is the limit",
        ),
        (
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            "Maximum introspection depth exceeded",
        ),
        ("{ nothing }", "Cannot query field 'nothing' on type 'Query'."),
        ("{ __typename @nothing }", "Unknown directive '@nothing'."),
        ("query A { __typename } query B { __typename }", "operationName must name one of A, B"),
        ("fragment A on Query { __typename }", "Fragment 'A' is never used."),
    ],
    ids=lambda value: value[:30],
)
def test_a_document_that_cannot_be_run_is_refused(system: System, document: str, message: str) -> None:
    assert message in refused(system, document)["message"]


def test_fragments_that_each_spread_the_next_one_twice_are_refused_at_once(system: System) -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(50))
    document = f"{{ ...F0 }} {chain} fragment F50 on Query {{ a: __typename }}"
    assert refused(system, document)["message"] == "the operation has more than 100 aliases"


def test_a_chain_of_fragments_is_refused_by_how_deep_it_nests(system: System) -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200))
    document = f"{{ ...F0 }} {chain} fragment F200 on Query {{ __typename }}"
    assert "nested more than 64 deep" in refused(system, document)["message"]


def test_an_operation_name_that_the_document_has_not_is_named(system: System) -> None:
    error = refused(system, "query A { __typename }", operationName="B")
    assert error["message"] == "the document has no operation with the name 'B'"


def test_a_mutation_over_get_is_refused_and_not_run(system: System) -> None:
    account = str(uuid4())
    document = f'mutation {{ openAccount(input: {{owner: "Ada", accountId: "{account}"}}) {{ __typename }} }}'
    response = HTTP.get(system.url, params={"query": document})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert checked(response)[0]["message"] == "mutations are not allowed when using GET"
    apply(system, "openAccount", {"owner": "Ada", "accountId": account}, expectedVersion=0)


def test_a_subscription_without_a_stream_is_told_which_streams_there_are(system: System) -> None:
    message = refused(system, "subscription { events { position } }")["message"]
    assert "graphql-transport-ws" in message
    assert "Accept: text/event-stream" in message


@pytest.mark.parametrize(
    "id", ["nope", "", "00000000-0000-0000-0000-00000000000g", 5, True, ["x"], {}, "\ud800"]
)
def test_a_malformed_uuid_is_shown_with_its_place(system: System, id: Any) -> None:
    error = refused(system, "query ($id: UUID!) { account(accountId: $id) { owner } }", {"id": id})
    assert "$id" in error["message"]
    assert "UUID cannot represent" in error["message"]
    assert error["locations"] == [{"line": 1, "column": 8}]


@pytest.mark.parametrize(
    ("input", "place"),
    [
        ({"owner": 5}, "at .owner: String cannot represent a non string value: 5"),
        ({"owner": None}, "at .owner: Expected value of non-null type"),
        ({}, "to include required field 'owner'"),
        ({"owner": "Ada", "colour": "red"}, "not to include unknown field 'colour'"),
        ({"owner": "Ada", "accountId": "x"}, "at .accountId: UUID cannot represent 'x'"),
        ("Ada", "Expected value of type 'OpenAccountInput'"),
        ([[[[[[["Ada"]]]]]]], "Expected value of type 'OpenAccountInput'"),
    ],
)
def test_an_input_of_another_type_is_refused_with_the_path_to_it(
    system: System, input: Any, place: str
) -> None:
    assert place in refused(system, document_of("openAccount"), {"input": input})["message"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeoutMs": -1}, "timeoutMs: must be from 0 to 60000, got -1"),
        ({"timeoutMs": 60001}, "timeoutMs: must be from 0 to 60000, got 60001"),
        ({"expectedVersion": -1}, "expectedVersion: must be 0 or more, got -1"),
    ],
)
def test_an_option_out_of_range_is_named_and_nothing_is_submitted(
    system: System, options: dict[str, int], message: str
) -> None:
    account = str(uuid4())
    input = {"owner": "Ada", "accountId": account}
    error = refused(system, document_of("openAccount"), {"input": input, "options": options})
    assert (error["message"], error["path"]) == (message, ["openAccount"])
    assert error["extensions"]["argument"] == next(iter(options))
    apply(system, "openAccount", input, expectedVersion=0)


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ("x" * 600_000, "must have a length of at most 200, got 600000"),
        ("a\0b", "must not contain the character NUL"),
        ("a\ud800b", "is not valid Unicode: a lone surrogate at index 1"),
    ],
    ids=["too long", "NUL", "lone surrogate"],
)
def test_text_that_cannot_be_kept_is_invalid(system: System, owner: str, message: str) -> None:
    body = json.dumps({"query": document_of("openAccount"), "variables": {"input": {"owner": owner}}})
    invalid = HTTP.post(system.url, content=body.encode(), headers=JSON).json()["data"]["openAccount"]
    assert invalid["__typename"] == "CommandInvalid"
    assert invalid["problems"] == [{"path": ["owner"], "message": message}]


@pytest.mark.parametrize("name", ["n", "n" * 1000])
@pytest.mark.parametrize(
    "document",
    [
        "query ($x: AccountWhere) { accounts(where: $x) { totalCount } }",
        "query ($x: EventFilter) { events(filter: $x) { pageInfo { hasNextPage } } }",
        "mutation ($x: OpenAccountInput!) { openAccount(input: $x) { __typename } }",
        "mutation ($x: [AnyCommand!]!) { submit(commands: $x) { __typename } }",
    ],
)
def test_the_errors_of_many_unknown_fields_are_few_and_short(
    system: System, document: str, name: str
) -> None:
    unknown = {f"{name}{n}": {"eq": "x" * 100} for n in range(650)}
    body = json.dumps({"query": document, "variables": {"x": unknown}}).encode()
    response = HTTP.post(system.url, content=body, headers=JSON)
    errors = checked(response, more=True)
    assert len(errors) == 21
    assert len(response.content) < 25_000
    assert errors[-1]["extensions"] == {"code": "MORE_ERRORS"}


def test_a_long_name_is_quoted_in_part(system: System) -> None:
    name = "x" * 500_000
    error = refused(
        system,
        "query ($f: EventFilter) { events(filter: $f) { pageInfo { hasNextPage } } }",
        {"f": {"types": [name]}},
    )
    assert "has no event 'xxx" in error["message"]
    assert len(error["message"]) < 300


def test_an_input_object_deeper_than_any_type_does_no_harm(system: System) -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    document = json.dumps(document_of("openAccount")).encode()
    body = b'{"query": %s, "variables": {"input": {"owner": %s}}}' % (document, deep)
    assert "at .owner: String cannot represent" in sent(system, body, status=200)


@pytest.mark.parametrize(
    "amount",
    [
        *("NaN", "sNaN", "Infinity", "-Infinity", "1e1001", "1e999999999999", "1e9999999999999999999999"),
        *("1" * 1001, "0." + "1" * 1001, "1e-1001", "", " 1", "1_000", "\u0661", "0x10", "1,5", "\ud800"),
        *(True, [], {}, 0.1234567890123456),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_decimal_number_or_beyond_a_thousand_digits_is_refused(
    system: System, amount: Any
) -> None:
    input = {"accountId": str(uuid4()), "amount": amount}
    message = refused(system, document_of("deposit"), {"input": input})["message"]
    assert "at .amount: Decimal cannot represent" in message
    assert len(message) < 300


@pytest.mark.parametrize("amount", ["1e400", "1" * 1000, "0." + "1" * 999, "1e-400", "-0", 10**30, 1e22])
def test_a_huge_or_a_tiny_decimal_is_held_against_the_constraints(system: System, amount: Any) -> None:
    invalid = submit(system, "deposit", {"accountId": str(uuid4()), "amount": amount})
    assert invalid["__typename"] == "CommandInvalid"
    assert [problem["path"] for problem in invalid["problems"]] == [["amount"]]


@pytest.mark.parametrize(
    "position", ["-1", "x", "", "1.0", "+1", " 1", "\u0663", str(2**63), 2**63, -1, 1.5, True]
)
def test_what_is_no_position_is_refused_with_the_range(system: System, position: Any) -> None:
    message = refused(system, "query ($p: Position!) { event(position: $p) { type } }", {"p": position})
    assert "it must be a whole number from 0 to 9223372036854775807" in message["message"]


@pytest.mark.parametrize(
    "cursor", ["x", "\u00fc", "\ud800", "", "bnVsbA==", "WyJhY2NvdW50cyJd", "WyJhY2NvdW50cyIsICJ4Il0="]
)
def test_what_is_no_cursor_is_refused(system: System, cursor: str) -> None:
    error = refused(system, "query ($c: String) { accounts(after: $c) { totalCount } }", {"c": cursor})
    assert "is not a cursor of accounts" in error["message"]
    assert error["extensions"]["argument"] == "after"


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"], ids=["NUL", "lone surrogate"])
@pytest.mark.parametrize("part", ["types", "streams", "aggregates"])
def test_a_name_that_nothing_can_have_is_refused_in_a_filter(system: System, part: str, name: str) -> None:
    document = "query ($f: EventFilter) { events(filter: $f) { pageInfo { hasNextPage } } }"
    error = refused(system, document, {"f": {part: [name]}})
    assert error["extensions"]["argument"] == f"filter.{part}"
