"""The form of WebSocket messages, and what a closing frame can say of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from commander.domain.errors import NotServing
from commander.examples.bank import bank
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.schema.http.application import application
from commander.schema.http.endpoint import HttpSettings
from commander.schema.http.messages import closing_reason, problem_of

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["subscribe", "start", "complete", "stop", "connection_init", "ping"])
        | anything,
        "id": st.text() | anything,
        "payload": anything
        | st.fixed_dictionaries({}, optional={"query": st.text() | anything, "variables": anything}),
    },
)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "connection_init"},
        {"type": "connection_init", "payload": {"token": "x"}},
        {"type": "ping", "payload": None},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}},
        {"type": "start", "id": "", "payload": {"query": "", "variables": None, "operationName": None}},
        {"type": "complete", "id": "1"},
        {"type": "of another protocol"},
    ],
)
def test_a_message_of_the_protocol_passes(message: dict[str, Any]) -> None:
    assert problem_of(message) is None


@given(anything | messages)
def test_what_passes_can_be_read_without_looking_at_its_types_again(message: Any) -> None:
    if problem_of(message) is not None:
        return
    assert isinstance(message["type"], str)
    if message["type"] in ("subscribe", "start"):
        assert isinstance(message["payload"]["query"], str)
        hash(message["id"])
        dict(message["payload"].get("variables") or {})


@given(st.text(st.characters(), max_size=300))
def test_a_closing_reason_fits_into_its_frame_and_loses_only_its_end(text: str) -> None:
    reason = closing_reason(text)
    assert len(reason.encode()) <= 123
    assert text.encode("utf-8", "replace").decode().startswith(reason)


def unavailable() -> Services:
    raise NotServing("starting", "this process has not reached Postgres and NATS yet " + "é" * 200)


async def test_before_the_process_has_connected_a_socket_is_told_to_try_again_later() -> None:
    code, reason = await silent_connection(application(build_schema(bank), unavailable, HttpSettings()))
    assert code == 1013
    assert reason.startswith("API is unavailable: this process has not reached Postgres")
    assert len(reason.encode()) <= 123


async def test_before_the_process_has_connected_a_request_is_answered_with_unavailable() -> None:
    transport = httpx.ASGITransport(app=application(build_schema(bank), unavailable, HttpSettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 503
    wanted = {"code": "UNAVAILABLE", "server": "API", "trouble": "starting", "retryAfterSeconds": 1}
    assert answer.json()["errors"][0]["extensions"] == wanted


async def test_a_socket_that_never_begins_is_closed_in_time() -> None:
    settings = HttpSettings(connection_init_timeout_seconds=0.05)
    services: Any = SimpleNamespace(
        actor_header=None, allowances=None, authentication=None
    )  # no operation gets as far as asking for more
    ended = await silent_connection(application(build_schema(bank), lambda: services, settings))
    assert ended == (4408, "Connection initialisation timeout")


async def silent_connection(app: ASGIApp) -> tuple[int, str]:
    """Connects and says nothing: how the application ends the connection."""
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [],
        "query_string": b"",
        "subprotocols": ["graphql-transport-ws"],
    }
    received = [{"type": "websocket.connect"}]
    ended: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def receive() -> Message:
        if received:
            return received.pop()
        await ended
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.close":
            ended.set_result(message)

    await asyncio.wait_for(app(scope, receive, send), 10)
    return ended.result()["code"], ended.result()["reason"]
