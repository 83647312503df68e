"""Bad input over a WebSocket: an error, or a closing frame that says what was wrong; the server goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.bank import opened
from tests.e2e.sockets import LEGACY_WS, TRANSPORT_WS, socket_to, start, subscribe
from tests.system import System

pytestmark = pytest.mark.usefixtures("goes_on")

FEED = "subscription { events { position } }"
BAD_MESSAGE = 4400


def start_or_subscribe(protocol: str, query: Any, **payload: Any) -> dict[str, Any]:
    return subscribe(query, **payload) if protocol == TRANSPORT_WS else start(query, **payload)


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hello", "the message is not JSON: Expecting value"),
        ("[" * 100_000, "the message is not JSON: it is nested too deep"),
        (b"\0\1", "a message must be text, not binary"),
        ("[]", "a message must be a JSON object"),
        ("5", "a message must be a JSON object"),
        ("null", "a message must be a JSON object"),
        ("{}", "a message needs a type, a string"),
        ('{"type": ["ping"]}', "a message needs a type, a string"),
        ('{"type": "connection_init", "payload": "x"}', "the payload of connection_init must be an object"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_message_of_no_known_form_ends_the_connection_with_the_reason(
    system: System, protocol: str, message: str | bytes, reason: str
) -> None:
    async with socket_to(system, protocol) as socket:
        await socket.send(message)
        code, told = await socket.closed()
    assert code == BAD_MESSAGE
    assert reason in told


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": 1}, "needs an id, a string"),
        ({"id": None}, "needs an id, a string"),
        ({"id": ["1"]}, "needs an id, a string"),
        ({"payload": "x"}, "must be an object"),
        ({"payload": [1]}, "must be an object"),
        ({"payload": None}, "payload.query must be a string"),
        ({"payload": {}}, "payload.query must be a string"),
        ({"payload": {"query": 5}}, "payload.query must be a string"),
        ({"payload": {"query": FEED, "variables": [1]}}, "payload.variables must be an object"),
        ({"payload": {"query": FEED, "operationName": 5}}, "payload.operationName must be a string"),
    ],
)
@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_an_operation_of_no_known_form_ends_the_connection_with_the_reason(
    system: System, protocol: str, change: dict[str, Any], reason: str
) -> None:
    async with socket_to(system, protocol) as socket:
        await socket.send({**start_or_subscribe(protocol, FEED), **change})
        code, told = await socket.closed()
    assert code == BAD_MESSAGE
    assert reason in told


@pytest.mark.parametrize(
    "kind", ["nothing", "x" * 1000, "\ud800", "é" * 100], ids=["word", "long", "surrogate", "not ASCII"]
)
async def test_an_unknown_message_type_ends_the_connection_however_it_is_written(
    system: System, kind: str
) -> None:
    async with socket_to(system) as socket:
        await socket.send({"type": kind})
        code, reason = await socket.closed()
    assert code == BAD_MESSAGE
    assert reason.startswith("Unknown message type: ")


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
@pytest.mark.parametrize("text", ["x" * 2**20, "\u00e9" * 2**19], ids=["ASCII", "not ASCII"])
async def test_an_operation_above_the_limit_is_refused_alone(
    system: System, protocol: str, text: str
) -> None:
    async with socket_to(system, protocol) as socket:
        await socket.send(start_or_subscribe(protocol, FEED))
        assert (await socket.receive())["type"] in ("next", "data")
        large = start_or_subscribe(protocol, "mutation { x }", variables={"x": text})
        payload = large.pop("payload")
        await socket.send(json.dumps({"payload": payload, **large, "id": "2"}, ensure_ascii=False))
        error = await socket.receive()
        assert (error["type"], error["id"]) == ("error", "2")
        [reason] = [error["payload"]] if protocol == LEGACY_WS else error["payload"]
        expected = {
            "message": "the message is larger than 1048576 bytes",
            "extensions": {"code": "BAD_REQUEST"},
        }
        assert reason == expected
        opened(system)
        assert (await socket.receive())["id"] == "1", "the subscription goes on"


@pytest.mark.parametrize(
    ("message", "init", "code"),
    [
        ("x" * (2**20 + 1), True, 1009),
        ('{"type": "ping", "payload": {"x": "%s"}}' % ("x" * 2**20), True, 1009),
        ('{"type": "subscribe", "id": 1, "payload": {"query": "%s"}}' % ("x" * 2**20), True, 1009),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "%s"}}' % ("x" * 2**22), True, 1009),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "%s"}}' % ("x" * 2**20), False, 4401),
    ],
    ids=["no JSON", "no operation", "no id", "four times the limit", "not acknowledged"],
)
async def test_a_message_above_the_limit_ends_the_connection(
    system: System, message: str, init: bool, code: int
) -> None:
    async with socket_to(system, init=init) as socket:
        with suppress(ConnectionClosed):  # before all is sent
            await socket.send(message)
        assert (await socket.closed())[0] == code


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_an_operation_before_the_connection_is_acknowledged_is_unauthorized(
    system: System, protocol: str
) -> None:
    async with socket_to(system, protocol, init=False) as socket:
        await socket.send(start_or_subscribe(protocol, FEED))
        assert await socket.closed() == (4401, "Unauthorized")


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_a_second_init_ends_the_connection(system: System, protocol: str) -> None:
    async with socket_to(system, protocol) as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_the_id_of_a_running_operation_cannot_be_used_again(system: System) -> None:
    async with socket_to(system) as socket:
        await socket.send(subscribe(FEED))
        assert (await socket.receive())["type"] == "next"
        await socket.send(subscribe(FEED))
        assert await socket.closed() == (4409, "Subscriber for 1 already exists")


@pytest.mark.parametrize("protocol", ["mqtt", None])
async def test_another_subprotocol_is_not_acceptable(system: System, protocol: str | None) -> None:
    async with socket_to(system, protocol, init=False) as socket:
        assert await socket.closed() == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://127.0.0.1:1", "\u00fc"])
async def test_a_page_of_another_origin_cannot_connect(system: System, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with socket_to(system, origin=origin):
            pass
    assert refusal.value.response.status_code == 403


async def test_a_page_of_this_origin_can_connect(system: System) -> None:
    async with socket_to(system, origin=f"http://127.0.0.1:{system.port}"):
        pass


@pytest.mark.parametrize(
    ("query", "payload", "message"),
    [
        ("", {}, "the request has no query"),
        ("{", {}, "Syntax Error: Expected Name, found <EOF>."),
        ('"' + "x" * 500, {}, "Syntax Error: Unterminated string."),
        ("{ nothing }", {}, "Cannot query field 'nothing' on type 'Query'."),
        ("{a" * 1000 + "}" * 1000, {}, "Syntax Error: Document is nested too deeply"),
        ("{" + " a" * 3000 + "}", {}, "Syntax Error: Document contains more than 2000 tokens."),
        (FEED, {"operationName": "B"}, "the document has no operation with the name 'B'"),
        (FEED, {"operationName": "B\ud800" * 500}, "the document has no operation with the name 'B\\ud800B"),
        ("subscription { a: events { position } b: events { position } }", {}, "only one top level field"),
        ('subscription { events(filter: {types: ["X"]}) { position } }', {}, "has no event 'X'"),
        ('subscription { events(after: "x") { position } }', {}, "Position cannot represent"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_an_operation_that_cannot_run_is_an_error_of_its_own_and_the_connection_stays(
    system: System, protocol: str, query: str, payload: dict[str, Any], message: str
) -> None:
    async with socket_to(system, protocol) as socket:
        await socket.send(start_or_subscribe(protocol, query, **payload))
        answer = await socket.receive()
        assert (answer["type"], answer["id"]) == ("error", "1")
        error = answer["payload"] if protocol == LEGACY_WS else answer["payload"][0]
        assert message in error["message"]
        assert error["extensions"]["code"] == "BAD_REQUEST"
        await socket.send(start_or_subscribe(protocol, FEED))
        assert (await socket.receive())["type"] in ("next", "data")


async def test_an_id_that_is_no_valid_unicode_is_answered_all_the_same(system: System) -> None:
    async with socket_to(system) as socket:
        await socket.send(json.dumps(subscribe("{ __typename }", id="\ud800")))
        assert (await socket.receive())["payload"] == {"data": {"__typename": "Query"}}


async def test_ending_what_never_began_does_no_harm(system: System) -> None:
    async with socket_to(system) as socket:
        await socket.send({"type": "complete", "id": "never"})
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


@pytest.mark.parametrize("protocol", [TRANSPORT_WS, LEGACY_WS])
async def test_more_subscriptions_than_a_connection_may_have_are_refused_one_by_one(
    system: System, protocol: str
) -> None:
    async with socket_to(system, protocol) as socket:
        for n in range(101):
            await socket.send(start_or_subscribe(protocol, FEED, id=str(n)))
        [error] = [m for _ in range(101) if (m := await socket.receive())["type"] == "error"]
    told = error["payload"] if protocol == LEGACY_WS else error["payload"][0]
    assert (error["id"], told["extensions"]["code"]) == ("100", "OVERLOADED")
    assert "100 open operations" in told["message"]
