"""Requests over HTTP beside the single one: arrays, hashes in place of documents, and the schema as text."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import graphql
import httpx
import pytest

from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.http.requests import MAX_BATCH
from tests.system import NO_TLS, System

HTTP = httpx.Client(timeout=20, verify=NO_TLS)
TYPENAME = {"query": "{ __typename }"}
OPEN = 'mutation ($id: UUID!) { openAccount(input: {owner: "Ada", accountId: $id}) { __typename position } }'
DEPOSIT = "mutation ($id: UUID!) { deposit(input: {accountId: $id, amount: 5}) { __typename position } }"
TEXT = "/schema.graphql"
HASH = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}


def posted(system: System, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    answer = HTTP.post(system.url, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def problem(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def test_an_array_has_an_answer_for_each_request_in_its_order(system: System) -> None:
    account = str(uuid4())
    commands = [{"query": document, "variables": {"id": account}} for document in (OPEN, DEPOSIT, DEPOSIT)]
    answers = posted(system, [TYPENAME, *commands, {"query": "{ nothing }"}, {}, 5])
    first, opened, once, twice, invalid, empty, number = answers
    assert first == {"data": {"__typename": "Query"}}
    applied = [opened["data"]["openAccount"], once["data"]["deposit"], twice["data"]["deposit"]]
    assert {one["__typename"] for one in applied} == {"CommandApplied"}
    positions = [int(one["position"]) for one in applied]
    assert positions == sorted(positions)
    assert invalid["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert "data" not in invalid
    assert empty == problem("BAD_REQUEST", "the request has no query")
    assert number == problem("BAD_REQUEST", "the request must be a JSON object with a query")


def test_an_array_of_queries_passes_the_gate_one_by_one(system: System) -> None:
    answers = posted(system, [TYPENAME, {"query": "{ events(first: 1000000) { edges { cursor } } }"}])
    assert answers[0] == {"data": {"__typename": "Query"}}
    assert answers[1]["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("size", [0, 101])
def test_an_array_that_is_too_long_or_empty_is_refused_as_a_whole(system: System, size: int) -> None:
    message = f"an array must have from 1 to {MAX_BATCH} requests, got {size}"
    assert posted(system, [TYPENAME] * size, 400) == problem("BAD_REQUEST", message)


def test_an_array_that_is_too_long_has_the_refusal_for_each_request(system: System) -> None:
    refused = problem(
        "BAD_REQUEST", f"an array must have from 1 to {MAX_BATCH} requests, got {MAX_BATCH + 1}"
    )
    assert posted(system, [TYPENAME] * (MAX_BATCH + 1)) == [refused] * (MAX_BATCH + 1)


def test_a_subscription_in_an_array_has_an_error(system: System) -> None:
    subscription = {"query": "subscription { events { position } }"}
    both = "application/json, text/event-stream"
    for accept in ("application/json", both):
        [answer, other] = posted(system, [subscription, TYPENAME], headers={"accept": accept})
        assert answer["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
        assert other == {"data": {"__typename": "Query"}}


def test_a_hash_without_its_document_is_refused_in_the_words_of_apollo(
    system: System,
) -> None:
    refused = problem("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
    assert posted(system, {"extensions": HASH}) == refused
    assert posted(system, {"operationName": "Name", "query": None, "extensions": HASH}) == refused
    assert posted(system, [{"extensions": HASH}, TYPENAME]) == [
        refused,
        {"data": {"__typename": "Query"}},
    ]
    text = '{"persistedQuery":{"version":1,"sha256Hash":"0"}}'
    answer = HTTP.get(system.url, params={"extensions": text}, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()) == (200, refused)
    assert answer.headers["cache-control"] == "private, no-cache, must-revalidate"
    assert posted(system, {**TYPENAME, "extensions": HASH}) == {"data": {"__typename": "Query"}}
    missing = problem("BAD_REQUEST", "the request has no query")
    assert posted(system, {"extensions": {"persistedQuery": None}}, 400) == missing


def test_the_schema_is_there_as_text(system: System) -> None:
    answer = HTTP.get(system.url + TEXT)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == f"{build_schema(bank).as_str()}\n"
    assert "CommandOptions" in graphql.build_schema(answer.text).type_map
    etag = answer.headers["etag"]
    for seen in (etag, f'"other", W/{etag}'):
        again = HTTP.get(system.url + TEXT, headers={"if-none-match": seen})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = HTTP.get(system.url + TEXT, headers={"if-none-match": '"other"'})
    assert other.status_code == 200
    head = HTTP.head(system.url + TEXT)
    assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")
