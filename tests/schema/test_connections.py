"""A process that is stopping begins no stream that it would have to break off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from commander.domain.errors import Overloaded, Unavailable
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.http.application import application
from commander.schema.http.connections import Streams
from commander.schema.http.endpoint import HttpSettings
from tests.schema.test_websocket import silent_connection


def app_of(streams: Streams) -> Any:
    services: Any = SimpleNamespace(
        actor_header=None, allowances=None, authentication=None
    )  # no operation gets as far as asking for more
    return application(build_schema(bank), lambda: services, HttpSettings(), streams=streams)


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_a_process_that_is_stopping_refuses_a_stream(accept: str) -> None:
    streams = Streams()
    transport = httpx.ASGITransport(app=app_of(streams))
    streams.end()
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        body = {"query": "subscription { events { position } }"}
        answer = await client.post("/graphql", json=body, headers={"accept": accept})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    wanted = {"code": "UNAVAILABLE", "server": "API", "trouble": "stopping", "retryAfterSeconds": 1}
    assert answer.json()["errors"][0]["extensions"] == wanted


async def test_a_process_that_is_stopping_refuses_a_socket() -> None:
    streams = Streams()
    streams.end()
    code, reason = await silent_connection(app_of(streams))
    assert code == 1013
    assert "stopping" in reason


def test_a_place_is_free_again_however_its_connection_ended() -> None:
    streams = Streams(max_connections=1)
    with pytest.raises(ZeroDivisionError), streams.counted():
        with pytest.raises(Overloaded):
            streams.must_take_another()
        raise ZeroDivisionError
    streams.must_take_another()
    streams.end()
    with pytest.raises(Unavailable):
        streams.must_take_another()
