"""GraphQL over HTTP, by the audits of the npm package graphql-http; and what they do not ask."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e.nodejs import installed, script
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")

AUDITS = [
    *("0220", "0221", "0222", "03D4", "13EE", "1B7A", "22EB", "28B9", "2C94", "2EA1", "34A2"),
    *("3E3A", "423L", "428F", "4655", "4760", "4761", "4762", "4763", "47DE", "51FE", "556A"),
    *("572B", "58B0", "58B1", "58B2", "58B3", "5A70", "5E5B", "6A70", "6C00", "6C01", "6C02"),
    *("6C03", "74FF", "78D5", "7B9B", "80D8", "8161", "82A3", "865D", "86EE", "8764", "94B0"),
    *("94B1", "94B2", "9ABE", "9C48", "A5BF", "B6DC", "B7N8", "B8B3", "BCF8", "BF61", "D586"),
    *("D6D5", "FDE2", "LKJ0", "LKJ1", "LKJ2", "LKJ3"),
]
HTTP = httpx.Client(timeout=30, verify=NO_TLS)
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
SUBSCRIPTION = "subscription { events { position } }"


@pytest_asyncio.fixture(scope="module")
async def audited(system: System) -> dict[str, dict[str, Any]]:
    """The result of each audit, by its id."""
    installed()
    async with script("audit.js", system.url) as process:
        printed, _ = await process.communicate()
    results = [json.loads(line) for line in printed.splitlines()]
    return {result["id"]: result for result in results}


@pytest.mark.parametrize("audit", AUDITS)
def test_an_audit_is_passed(audited: dict[str, dict[str, Any]], audit: str) -> None:
    result = audited[audit]
    assert result["status"] == "ok", f"{result['name']}: {result.get('reason')}"


def test_all_of_the_61_audits_are_run(audited: dict[str, dict[str, Any]]) -> None:
    assert sorted(audited) == sorted(AUDITS)
    assert len(AUDITS) == 61


def answered(
    system: System, query: str, accept: str | None, variables: dict[str, Any] | None = None
) -> httpx.Response:
    request = HTTP.build_request("POST", system.url, json={"query": query, "variables": variables})
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    return HTTP.send(request)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (f"{JSON}; charset=utf-8", JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
        (f"{JSON};q=0.9, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON}", JSON),
        (f"*/*, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{JSON};q=0, */*", GRAPHQL_JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (
            f"{GRAPHQL_JSON}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed",
            GRAPHQL_JSON,
        ),
        (f"multipart/mixed;subscriptionSpec=1.0, {JSON}", JSON),
        ("text/event-stream", "text/event-stream"),
    ],
)
def test_a_query_is_answered_in_the_media_type_that_the_client_likes_best(
    system: System, accept: str | None, media_type: str
) -> None:
    response = answered(system, "{ __typename }", accept)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert '{"data":{"__typename":"Query"}}' in response.text


@pytest.mark.parametrize(
    "accept", ["text/plain", "multipart/mixed", "application/json;q=0", "*/*;q=0", "text/*"]
)
def test_a_client_that_takes_none_of_the_media_types_is_told_so(system: System, accept: str) -> None:
    response = answered(system, "{ __typename }", accept)
    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("accept", [None, "*/*", JSON, GRAPHQL_JSON, "multipart/mixed"])
def test_a_subscription_is_streamed_only_to_a_client_that_names_a_stream(
    system: System, accept: str | None
) -> None:
    response = answered(system, SUBSCRIPTION, accept)
    assert response.status_code == 406
    assert "Accept: text/event-stream" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{", None),
        ("{ nothing }", None),
        ("query A { __typename } query B { __typename }", None),
        ("query ($p: Position!) { event(position: $p) { type } }", {"p": "x"}),
        ("query ($p: Position!) { event(position: $p) { type } }", {}),
    ],
)
def test_a_request_that_cannot_be_executed_is_400_in_the_new_media_type_and_200_in_the_old(
    system: System, query: str, variables: Any
) -> None:
    for accept, status in ((GRAPHQL_JSON, 400), (JSON, 200)):
        response = answered(system, query, accept, variables)
        assert response.status_code == status
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        assert list(response.json()) == ["errors"], "without data, not even null"
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_field_that_fails_leaves_the_status_at_200_and_data_at_null(system: System) -> None:
    response = answered(system, "{ accounts(first: 100000) { totalCount } }", GRAPHQL_JSON)
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["accounts"]


def test_errors_of_http_come_in_the_media_type_that_the_client_takes(system: System) -> None:
    response = HTTP.put(system.url, headers={"accept": GRAPHQL_JSON})
    assert response.status_code == 405
    assert response.headers["content-type"] == f"{GRAPHQL_JSON}; charset=utf-8"


def test_a_browser_that_opens_the_url_gets_graphiql(system: System) -> None:
    response = HTTP.get(system.url, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.headers["content-type"].startswith("text/html")
    assert "<!doctype html>" in response.text


@pytest.mark.parametrize("variables", ["x", "5", "[1]", "{"])
def test_variables_in_a_url_that_are_no_json_object_are_refused(system: System, variables: str) -> None:
    parameters = {"query": "{ __typename }", "variables": variables}
    response = HTTP.get(system.url, params=parameters, headers={"accept": JSON})
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert "variables" in error["message"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
