"""A domain and settings of one's own: every type travels whole, and each limit is where it was set."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.schema.http.examples import examples_of
from commander.schema.names import camel
from tests.domain.everything import values
from tests.drawing import examples
from tests.e2e.feeds import take
from tests.e2e.sockets import socket_to, subscribe
from tests.e2e.vault import SCALARS, vault
from tests.system import NO_TLS, System

HTTP = httpx.Client(timeout=30, verify=NO_TLS)
APP = "https://app.example"
FIELDS = """
  text truth whole big real exact identity moment day hour colour size kind
  line { price { amount currency } colours note } lines { price { amount currency } colours note }
  numbers bigs gaps nested maybeText maybeExact maybeColour
  maybeLine { price { amount currency } colours note }
  maybeLines { price { amount currency } colours note }
"""
KEEP = f"""mutation ($input: KeepInput!, $wait: Wait! = PROJECTED) {{
  keep(input: $input, options: {{wait: $wait}}) {{
    __typename
    ... on CommandApplied {{
      commandId stream events {{ ... on Kept {{ thingId copies everything {{ {FIELDS} }} }} }}
    }}
    ... on CommandInvalid {{ problems {{ path message }} }}
  }}
}}"""
ROW = f"""query ($id: UUID!) {{
  thing(thingId: $id) {{
    everything {{ {FIELDS} }}
    text truth whole big real exact moment day hour colour size bigs maybeText maybeColour
  }}
}}"""

INPUT = "query ($id: UUID!) { command(commandId: $id) { input } }"
FOUND = "query ($where: ThingWhere) { things(where: $where) { edges { node { thingId } } } }"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Runs the vault with limits that a test can reach."""
    with System(
        tmp_path_factory.mktemp("own"),
        COMMANDER_DOMAIN="tests.e2e.vault:vault",
        COMMANDER_HEARTBEAT_SECONDS="0.1",
        COMMANDER_ORIGINS=APP,
        COMMANDER_MAX_PAGE="60",
        COMMANDER_MAX_BODY_BYTES="65536",
        COMMANDER_MAX_COMMAND_BYTES="16384",
        COMMANDER_MAX_SUBSCRIPTIONS_PER_CONNECTION="2",
        COMMANDER_SHUTDOWN_SECONDS="40",
    ) as running:
        yield running


def as_json(value: Any) -> Any:
    """A value of the domain as the API takes and gives it."""
    if isinstance(value, dict):
        return {camel(name): as_json(item) for name, item in value.items()}
    if hasattr(value, "name"):  # an enum's member
        return value.name
    if hasattr(value, "__dataclass_fields__"):
        return as_json(vars(value))
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, bool | float | str) or value is None:
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def everything(drawn: dict[str, Any]) -> dict[str, Any]:
    """The GraphQL form of one of everything: whole numbers of 32 bits as numbers, larger ones as strings."""
    found: dict[str, Any] = as_json(drawn)
    return {**found, "whole": drawn["whole"], "numbers": drawn["numbers"]}


def in_range(exact: Decimal | None) -> bool:
    """Whether the scalar takes it: at most a thousand digits on either side of the point."""
    return exact is None or (int(exact.as_tuple().exponent) >= -1000 and exact.adjusted() <= 1000)


drawn_everything = st.fixed_dictionaries(values).filter(
    lambda drawn: (
        all(
            in_range(exact)
            for exact in [
                drawn["exact"],
                drawn["maybe_exact"],
                *drawn["gaps"],
                *(
                    line.price.amount
                    for line in [drawn["line"], *drawn["lines"], *(drawn["maybe_lines"] or ())]
                ),
                drawn["maybe_line"] and drawn["maybe_line"].price.amount,
            ]
        )
        and 1 < drawn["moment"].year < 9999
    )
)


@examples(20)
@given(drawn=drawn_everything)
def test_every_type_is_the_same_in_the_event_and_in_the_row_as_it_was_in_the_input(
    own: System, drawn: dict[str, Any]
) -> None:
    given = everything(drawn)
    applied = own.data(KEEP, input={"everything": given, "copies": 1})["keep"]
    [event] = applied["events"]
    assert event["copies"] == 1
    assert same_moments(event["everything"]) == same_moments(given)

    row = own.data(ROW, id=event["thingId"])["thing"]
    assert same_moments(row.pop("everything")) == same_moments(given)
    assert Decimal(row.pop("exact")) == drawn["exact"]  # numeric has no exponent: 1E+2 is 100
    assert same_moments(row) == {name: same_moments(given)[name] for name in row}

    sent = own.data(INPUT, id=applied["commandId"])["command"]["input"]
    assert same_moments(sent.pop("everything")) == same_moments(given)
    assert sent == {"copies": 1, "thingId": event["thingId"]}

    columns = [camel(name) for name in SCALARS]
    where = {
        name: {"isNull": True} if given[name] is None else {"eq": given[name], "in": [given[name]]}
        for name in columns
    }
    found = own.data(FOUND, where={"thingId": {"eq": event["thingId"]}, **where})["things"]
    assert [edge["node"]["thingId"] for edge in found["edges"]] == [event["thingId"]]
    for name in columns:
        others = {"thingId": {"eq": event["thingId"]}, "not": {name: where[name]}}
        assert own.data(FOUND, where=others)["things"]["edges"] == [], name


def same_moments(fields: dict[str, Any]) -> dict[str, Any]:
    """With the moment as such: 12:00+02:00 and 10:00Z are the same one."""
    return {**fields, "moment": datetime.fromisoformat(fields["moment"])}


SMALL: dict[str, Any] = {
    **{"text": "", "truth": False, "whole": 0, "big": "9223372036854775807", "real": 0.5, "exact": "1.10"},
    **{"identity": str(uuid4()), "moment": "2030-01-31T12:00:00+02:00", "day": "2030-01-31", "hour": "12:00"},
    **{"colour": "RED", "size": "L", "kind": "OLD", "lines": [], "numbers": [1], "bigs": [], "gaps": [None]},
    **{"nested": [["a"], []], "line": {"price": {"amount": "2"}, "colours": ["GREEN", "RED"]}},
}


def test_what_is_left_out_or_null_takes_its_default(own: System) -> None:
    for more in ({}, {"copies": None, "thingId": None}):
        [event] = own.data(KEEP, input={"everything": SMALL, **more})["keep"]["events"]
        assert event["copies"] == 3
        assert event["everything"]["line"] == {
            "price": {"amount": "2", "currency": "EUR"},
            "colours": ["GREEN", "RED"],
            "note": None,
        }
        assert event["everything"]["maybeLines"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "BLUE"}, "Value 'BLUE' does not exist in 'Colour' enum"),
        ({"colour": "red"}, "Value 'red' does not exist in 'Colour' enum"),
        ({"whole": 2**31}, "Int cannot represent non 32-bit signed integer value"),
        ({"big": str(2**63)}, "BigInt cannot represent"),
        ({"day": "31.1.2030"}, "it must be a date like 2030-01-31"),
        ({"hour": "noon"}, "it must be a time like 12:00:00"),
        ({"moment": "0001-01-01T00:00:00+01:00"}, "it must be a date and time like"),
        ({"line": {"price": {}, "colours": []}}, "include required field 'amount'"),
        ({"real": float("inf")}, "Float cannot represent non numeric value"),
        ({"truth": "yes"}, "Boolean cannot represent a non boolean value"),
        ({"gaps": ["x"]}, "Decimal cannot represent 'x'"),
    ],
)
def test_a_value_that_is_not_of_the_type_is_refused_with_the_path(
    own: System, change: dict[str, Any], message: str
) -> None:
    body = json.dumps({"query": KEEP, "variables": {"input": {"everything": {**SMALL, **change}}}})
    answer = HTTP.post(own.url, content=body, headers={"content-type": "application/json"}).json()
    [error] = answer["errors"]
    assert f".everything.{next(iter(change))}" in error["message"]
    assert message in error["message"]
    assert error["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"moment": "2030-01-31T12:00:00"}, ["everything", "moment"]),
        ({"nested": [["a"], ["b", "\0"]]}, ["everything", "nested", "1", "1"]),
        (
            {"lines": [{"price": {"amount": "1", "currency": "\0"}, "colours": []}]},
            ["everything", "lines", "0", "price", "currency"],
        ),
        ({"maybeText": "\0"}, ["everything", "maybeText"]),
    ],
)
def test_a_value_that_cannot_be_kept_is_invalid_with_the_path_as_the_api_names_it(
    own: System, change: dict[str, Any], path: list[str]
) -> None:
    invalid = own.data(KEEP, input={"everything": {**SMALL, **change}})["keep"]
    assert invalid["__typename"] == "CommandInvalid"
    assert [problem["path"] for problem in invalid["problems"]] == [path]


def test_a_command_above_the_size_that_was_set_is_invalid(own: System) -> None:
    invalid = own.data(KEEP, input={"everything": {**SMALL, "text": "x" * 20_000}})["keep"]
    [problem] = invalid["problems"]
    assert problem["path"] == []
    assert "16384 is the limit" in problem["message"]


def test_a_body_above_the_size_that_was_set_is_refused(own: System) -> None:
    answer = HTTP.post(own.url, content=b"x" * 65_537, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        413,
        "the request body is larger than 65536 bytes",
    )


def test_a_page_above_the_size_that_was_set_is_refused(own: System) -> None:
    [error] = own.query("{ things(first: 61) { totalCount } }")["errors"]
    assert error["message"] == "first: must be from 0 to 60, got 61"


def test_a_command_whose_decider_raises_has_failed_for_good(own: System) -> None:
    query = """mutation ($id: UUID!, $c: UUID!) { crush(input: {thingId: $id}, options: {commandId: $c}) {
      __typename ... on CommandFailed { commandId code } } }"""
    command, thing = str(uuid4()), str(uuid4())
    expected = {"__typename": "CommandFailed", "commandId": command, "code": "DECIDER_RAISED"}
    assert own.data(query, id=thing, c=command) == {"crush": expected}
    assert own.data(query, id=thing, c=command) == {"crush": expected}


def test_the_examples_that_graphiql_opens_on_run_as_they_stand(own: System) -> None:
    mutation, second, query, _ = examples_of(vault)
    applied = own.data(mutation.query, **json.loads(mutation.variables))["keep"]
    assert [event["type"] for event in applied["events"]] == ["Kept"]
    assert own.data(second.query, **json.loads(second.variables))["crush"]["__typename"] == "CommandFailed"
    assert own.data(query.query)["things"]["totalCount"] >= 1


async def test_a_silent_subscription_tells_where_it_stands(own: System) -> None:
    async def items() -> Any:
        async with socket_to(own) as socket:
            await socket.send(subscribe("subscription { events { __typename position } }"))
            while True:
                yield (await socket.receive())["payload"]["data"]["events"]

    async with aclosing(items()) as feed:
        caught_up, *beats = await take(feed, 3)
        assert [item["__typename"] for item in (caught_up, *beats)] == ["CaughtUp", "Heartbeat", "Heartbeat"]
        assert {beat["position"] for beat in beats} == {caught_up["position"]}
        await asyncio.to_thread(own.data, KEEP, input={"everything": SMALL})
        while (item := (await take(feed, 1))[0])["__typename"] == "Heartbeat":
            pass
        assert item == {"__typename": "Kept", "position": str(int(caught_up["position"]) + 1)}


async def test_a_connection_has_no_more_subscriptions_than_were_set(own: System) -> None:
    async with socket_to(own) as socket:
        for id in ("1", "2", "3"):
            await socket.send(subscribe("subscription { events { position } }", id=id))
        while (message := await socket.receive())["type"] != "error":
            pass
    assert (message["id"], message["payload"][0]["extensions"]["code"]) == ("3", "OVERLOADED")


def test_only_pages_of_the_origins_that_were_set_may_call(own: System) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    allowed = HTTP.options(own.url, headers={"origin": APP, **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, APP)
    other = HTTP.options(own.url, headers={"origin": "https://other.example", **asked})
    assert "access-control-allow-origin" not in other.headers


async def test_a_page_of_an_origin_that_was_set_may_connect(own: System) -> None:
    async with socket_to(own, origin=APP):
        pass


async def test_stopping_ends_the_subscriptions_at_once_and_leaves_clients_to_come_back(own: System) -> None:
    """The last test of the file: it stops the system."""
    document = "subscription { events { __typename } }"
    log = own.log.stat().st_size
    async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as client, socket_to(own) as socket:
        await socket.send(subscribe(document))
        await socket.receive()
        accept = {"accept": "text/event-stream"}
        async with client.stream("POST", own.url, json={"query": document}, headers=accept) as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "event: next"
            began = time.monotonic()
            stopped = asyncio.create_task(asyncio.to_thread(own.stop))
            rest = [line async for line in lines]
        assert "event: complete" not in rest
        assert (await socket.closed())[0] == 1012
        assert await stopped == 0
    assert time.monotonic() - began < 30
    assert "Traceback" not in own.log.read_bytes()[log:].decode()
