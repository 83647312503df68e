"""Server-Sent Events: each item of the feed is an event with its cursor; Last-Event-ID resumes behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.bank import apply, document_of, opened
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")

ACCEPT = {"accept": "text/event-stream"}
BARE = "subscription ($filter: EventFilter) { x: events(filter: $filter, after: 0) { __typename } }"


@dataclass(frozen=True)
class ServerEvent:
    """One event as a browser would hand it on; fields that were not sent are None."""

    event: str | None
    id: str | None
    data: Any

    @property
    def kind(self) -> str:
        """The type of the item that the root field x carries."""
        kind: str = self.data["data"]["x"]["__typename"]
        return kind


@asynccontextmanager
async def streamed(
    system: System, method: str, query: str, headers: dict[str, str] | None = None, **variables: Any
) -> AsyncIterator[AsyncIterator[ServerEvent]]:
    """The events of a stream, in order."""
    if method == "GET":
        request: dict[str, Any] = {"params": {"query": query, "variables": json.dumps(variables)}}
    else:
        request = {"json": {"query": query, "variables": variables}}
    async with (
        httpx.AsyncClient(timeout=20, verify=NO_TLS) as client,
        client.stream(method, system.url, headers={**ACCEPT, **(headers or {})}, **request) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        yield _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[ServerEvent]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            data = json.loads(fields["data"]) if fields.get("data") else None
            yield ServerEvent(fields.get("event"), fields.get("id"), data)
            fields = {}


def account_with(system: System, deposits: int) -> tuple[dict[str, Any], list[str]]:
    """A filter for a new account's events, and their positions."""
    account = opened(system)
    deposit = {"accountId": account, "amount": "1.00"}
    made = [apply(system, "deposit", deposit)["position"] for _ in range(deposits)]
    first = system.data(
        "query ($f: EventFilter) { events(filter: $f, first: 1) { edges { node { position } } } }",
        f={"streams": [f"account-{account}"]},
    )
    opening: str = first["events"]["edges"][0]["node"]["position"]
    return {"streams": [f"account-{account}"]}, [opening, *made]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_item_has_its_position_for_an_id_whatever_is_selected_and_under_whatever_name(
    system: System, method: str
) -> None:
    filter, positions = account_with(system, 2)
    async with streamed(system, method, BARE, filter=filter) as events:
        found = [await anext(events) for _ in range(4)]
    assert [event.kind for event in found] == [
        "AccountOpened",
        "MoneyDeposited",
        "MoneyDeposited",
        "CaughtUp",
    ]
    assert [event.event for event in found] == ["next"] * 4
    assert [event.id for event in found[:3]] == positions
    assert int(found[3].id or 0) >= int(positions[-1])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "query",
    [
        BARE,
        "subscription ($filter: EventFilter) { x: events(filter: $filter) { __typename } }",
        'subscription ($filter: EventFilter, $after: Position = "0") '
        "{ x: events(filter: $filter, after: $after) { __typename } }",
    ],
    ids=["literal", "absent", "variable"],
)
async def test_last_event_id_resumes_behind_it_whatever_the_argument_says(
    system: System, method: str, query: str
) -> None:
    filter, positions = account_with(system, 3)
    seen = {"last-event-id": positions[1]}
    async with streamed(system, method, query, seen, filter=filter) as events:
        found = [await anext(events) for _ in range(3)]
    assert [event.id for event in found[:2]] == positions[2:]
    assert found[2].kind == "CaughtUp"


async def test_an_empty_last_event_id_is_none(system: System) -> None:
    filter, positions = account_with(system, 0)
    async with streamed(system, "GET", BARE, {"last-event-id": ""}, filter=filter) as events:
        assert (await anext(events)).id == positions[0]


@pytest.mark.parametrize("id", ["x", "-1", "1.0", "+1", "1e3", str(2**63), "9" * 5000, "1,2"])
def test_what_is_no_position_is_refused_as_a_last_event_id(system: System, id: str) -> None:
    headers = {**ACCEPT, "last-event-id": id}
    answer = httpx.get(system.url, params={"query": BARE}, headers=headers, verify=NO_TLS)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "Last-Event-ID"}
    assert len(error["message"]) < 200


async def test_a_last_event_id_beyond_the_log_is_an_error_and_the_end(system: System) -> None:
    async with streamed(system, "GET", BARE, {"last-event-id": str(10**12)}) as events:
        refusal, end = [event async for event in events]
    assert refusal.data["errors"][0]["extensions"] == {"code": "BAD_REQUEST", "argument": "after"}
    assert refusal.id is None
    assert end == ServerEvent("complete", None, None)


async def test_a_query_is_one_event_without_an_id_and_then_complete(system: System) -> None:
    async with streamed(system, "POST", "{ __typename }", {"last-event-id": "1"}) as events:
        assert [event async for event in events] == [
            ServerEvent("next", None, {"data": {"__typename": "Query"}}),
            ServerEvent("complete", None, None),
        ]


async def test_a_mutation_can_be_streamed_by_post(system: System) -> None:
    input = {"owner": "Ada"}
    async with streamed(system, "POST", document_of("openAccount"), input=input) as events:
        applied, _ = [event async for event in events]
    assert applied.data["data"]["openAccount"]["__typename"] == "CommandApplied"


def test_a_mutation_cannot_be_streamed_by_get(system: System) -> None:
    variables = json.dumps({"input": {"owner": "Ada"}})
    parameters = {"query": document_of("openAccount"), "variables": variables}
    answer = httpx.get(system.url, params=parameters, headers=ACCEPT, verify=NO_TLS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_what_is_not_of_the_feed_has_no_id_and_is_complete_when_it_ends(system: System) -> None:
    command = str(uuid4())
    filter, _ = account_with(system, 0)
    account = filter["streams"][0].removeprefix("account-")
    apply(system, "deposit", {"accountId": account, "amount": "1.00"}, commandId=command)
    query = f'subscription {{ commandStatus(commandId: "{command}") {{ status }} }}'
    async with streamed(system, "GET", query) as events:
        found = [event async for event in events]
    assert found[-1] == ServerEvent("complete", None, None)
    assert found[-2].data == {"data": {"commandStatus": {"status": "APPLIED"}}}
    assert {event.id for event in found} == {None}
