"""Signing in through every transport, and what ends a stream: its token expires, or is revoked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from websockets import ClientConnection, Subprotocol, connect
from websockets.exceptions import ConnectionClosed

from commander.domain.errors import Unavailable
from commander.examples.bank import bank
from commander.resolvers.identity.access import Access
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.resolvers.services import Services
from tests.open_domain import open_to_anyone
from tests.schema.built import bank_schema
from tests.schema.transports import CARRIES, SOCKETS, STREAMS, serving
from tests.streaming.conftest import Bank
from tests.system import NO_TLS
from tests.tokens import SECRET, bearer, secret_token

OPEN = 'mutation { openAccount(input: {owner: "Ada"}) { ... on CommandApplied { commandId position } } }'
EXPIRED = {"message": "the token has expired", "extensions": {"code": "TOKEN_EXPIRED"}}
REVOKED = {"message": "the token was revoked", "extensions": {"code": "TOKEN_EXPIRED"}}


class Clock:
    """The time by which tokens expire. It stands until a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@dataclass
class Signed:
    """An API that wants tokens."""

    services: Services
    authentication: Authentication
    clock: Clock
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    async def query(self, document: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as client:
            return await client.post(self.url, json={"query": document}, headers=headers)

    async def actor_of(self, command_id: str) -> str | None:
        found = await self.services.database.fetchrow(
            "select actor from commands where command_id = $1", command_id
        )
        assert found is not None
        actor: str | None = found["actor"]
        return actor

    async def head(self) -> int:
        return int(await self.services.database.fetchval("select coalesce(max(position), 0) from events"))


@pytest.fixture(autouse=True)
def without_rules() -> Iterator[None]:
    """Who asks is one thing, what they may do another."""
    with open_to_anyone(bank):
        yield


@pytest_asyncio.fixture
async def signed(servers: Bank, all_parts: Services) -> AsyncIterator[Signed]:
    clock = Clock()
    tokens = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))), now=clock)
    authentication = Authentication(tokens, now=clock)
    services = replace(all_parts, authentication=authentication)
    running = asyncio.create_task(authentication.run())
    async with serving(bank_schema(), lambda: services) as port:
        yield Signed(services, authentication, clock, port)
    running.cancel()


class Stream:
    """A streamed response, or an operation on a WebSocket, as it is sent. ended: how the server ended it."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.ended: tuple[int, str] | str | None = None
        self.cursor: str | None = None

    async def item(self) -> dict[str, Any] | None:
        """The next response. None when the stream has ended."""
        async with asyncio.timeout(60):
            return await self.items.get()


@asynccontextmanager
async def streaming(
    transport: str, signed: Signed, document: str, token: str | None, **headers: str
) -> AsyncIterator[Stream]:
    stream = Stream()
    read = _read_socket if transport in SOCKETS else _read_response
    async with AsyncExitStack() as stack:
        reading = asyncio.create_task(read(transport, signed, document, token, stream, headers))
        stack.callback(reading.cancel)
        yield stream


async def _read_response(
    transport: str, signed: Signed, document: str, token: str | None, stream: Stream, headers: dict[str, str]
) -> None:
    accept, begins = STREAMS[transport]
    sent = {"accept": accept, **({} if token is None else bearer(token)), **headers}
    async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as client:
        request = client.stream("POST", signed.url, json={"query": document}, headers=sent)
        async with request as response:
            name = ""
            async for line in response.aiter_lines():
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("id:"):
                    stream.cursor = line.removeprefix("id:").strip()
                elif line.startswith(begins) and (text := line.removeprefix("data:").strip()) not in (
                    "",
                    "{}",
                ):
                    found = json.loads(text)
                    await stream.items.put(found.get("payload") or found)
            stream.ended = "complete" if name == "complete" else "end"
            await stream.items.put(None)


async def _read_socket(
    transport: str, signed: Signed, document: str, token: str | None, stream: Stream, headers: dict[str, str]
) -> None:
    async with socket_to(signed, transport) as socket:
        payload = {} if token is None else bearer(token)
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        begin = {"type": SOCKETS[transport]["begin"], "id": "1", "payload": {"query": document}}
        await socket.send(json.dumps(begin))
        try:
            while True:
                message = json.loads(await socket.recv())
                if message["type"] in ("next", "data"):
                    await stream.items.put(message["payload"])
                elif message["type"] in ("error", "connection_error", "complete"):
                    stream.ended = message["type"]
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            stream.ended = (closed.rcvd.code, closed.rcvd.reason)
        await stream.items.put(None)


@asynccontextmanager
async def socket_to(signed: Signed, transport: str, **headers: str) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{signed.port}/graphql"
    async with connect(
        url, subprotocols=[Subprotocol(transport)], proxy=None, additional_headers=headers
    ) as socket:
        yield socket


async def test_the_subject_of_a_token_is_the_actor_of_a_command_by_every_transport(signed: Signed) -> None:
    for transport, kinds in CARRIES.items():
        if "mutation" not in kinds:
            continue
        token = secret_token(f"by {transport}")
        if transport == "http":
            answer = (await signed.query(OPEN, bearer(token))).json()
        else:
            async with streaming(transport, signed, OPEN, token) as stream:
                answer = await stream.item()
        assert await signed.actor_of(answer["data"]["openAccount"]["commandId"]) == f"by {transport}"


async def test_without_a_token_nobody_is_signed_in(signed: Signed) -> None:
    answer = (await signed.query(OPEN)).json()
    assert await signed.actor_of(answer["data"]["openAccount"]["commandId"]) is None


REFUSED_HEADERS: list[tuple[dict[str, str], str, str]] = [
    (bearer("alice"), "UNAUTHENTICATED", "the token cannot be read"),
    ({"authorization": "Basic YTpi"}, "UNAUTHENTICATED", "the authorization must be a bearer token"),
    (bearer(secret_token(seconds=-1)), "TOKEN_EXPIRED", "the token has expired"),
]


async def test_a_request_with_a_token_that_is_not_accepted_gets_401(signed: Signed) -> None:
    before = await signed.head()
    for headers, code, reason in REFUSED_HEADERS:
        for accept in ("application/json", "application/graphql-response+json", "text/event-stream"):
            answer = await signed.query(OPEN, {**headers, "accept": accept})
            assert answer.status_code == 401
            [error] = answer.json()["errors"]
            assert error["extensions"] == {"code": code}
            assert error["message"].startswith(reason)
            told = answer.headers["www-authenticate"]
            assert told.startswith(f'Bearer error="invalid_token", error_description="{reason}')
        async with httpx.AsyncClient(verify=NO_TLS) as client:
            assert (await client.post(signed.url, json=[{"query": OPEN}], headers=headers)).status_code == 401
            url = signed.url.replace("graphql", "graphql/schema.graphql")
            assert (await client.get(url, headers=headers)).status_code == 401
    assert await signed.head() == before


async def test_two_authorizations_are_refused(signed: Signed) -> None:
    async with httpx.AsyncClient(verify=NO_TLS) as client:
        given = [("authorization", f"Bearer {secret_token('alice')}"), ("Authorization", "Bearer other")]
        answer = await client.post(signed.url, json={"query": OPEN}, headers=given)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


REFUSED_PAYLOADS: list[tuple[dict[str, Any], int, str]] = [
    (bearer("alice"), 4401, "UNAUTHENTICATED: the token cannot be read"),
    (bearer(secret_token(seconds=-1)), 4403, "TOKEN_EXPIRED: the token has expired"),
    ({"authorization": 7}, 4401, "UNAUTHENTICATED: connection_init must have one authorization"),
    ({"authorization": "a", "Authorization": "b"}, 4401, "UNAUTHENTICATED: connection_init must have one"),
]


async def test_a_socket_whose_token_is_not_accepted_is_closed(signed: Signed) -> None:
    for transport in SOCKETS:
        for payload, code, reason in REFUSED_PAYLOADS:
            async with socket_to(signed, transport) as socket:
                await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        message = json.loads(await socket.recv())
                        assert message["type"] == "connection_error", "it was acknowledged"
            assert closed.value.rcvd is not None and closed.value.rcvd.code == code
            assert closed.value.rcvd.reason.startswith(reason)


async def test_a_socket_signs_in_by_its_payload_or_by_the_request_that_opens_it(signed: Signed) -> None:
    mine = {"Authorization": f"Bearer {secret_token('alice')}"}
    other = {"Authorization": f"Bearer {secret_token('bob')}"}
    for transport in SOCKETS:
        for request, payload in ((other, mine), (other, {"headers": mine}), (mine, {})):
            async with socket_to(signed, transport, **request) as socket:
                await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
                assert json.loads(await socket.recv())["type"] == "connection_ack"
                begin = {"type": SOCKETS[transport]["begin"], "id": "1", "payload": {"query": OPEN}}
                await socket.send(json.dumps(begin))
                while "payload" not in (message := json.loads(await socket.recv())):
                    pass
            command_id = message["payload"]["data"]["openAccount"]["commandId"]
            assert await signed.actor_of(command_id) == "alice"


FOLLOWING = [name for name, kinds in CARRIES.items() if "subscription" in kinds]


@pytest.mark.parametrize("how", ["expired", "revoked"])
async def test_a_stream_ends_with_its_token_and_says_so(signed: Signed, how: str) -> None:
    await signed.query(OPEN)
    for transport in FOLLOWING:
        await _ends(signed, transport, how)


async def _ends(signed: Signed, transport: str, how: str) -> None:
    document = 'subscription { events(after: "0") { __typename position } }'
    async with (
        streaming(transport, signed, document, secret_token(f"{how} {transport}", seconds=60)) as ended,
        streaming(transport, signed, document, secret_token("bob", seconds=600)) as other,
    ):
        for stream in (ended, other):
            while "CaughtUp" not in json.dumps(await stream.item()):
                pass
        if how == "expired":
            signed.clock.now = time.time() + 60
        else:
            signed.authentication.revoke({f"{how} {transport}": time.time()})
        last = await ended.item()
        assert last == {"data": None, "errors": [EXPIRED if how == "expired" else REVOKED]}
        assert await ended.item() is None
        if transport in SOCKETS:
            assert ended.ended == (4403, last["errors"][0]["message"])
        else:
            assert ended.ended == "end"
        applied = (await signed.query(OPEN, bearer(secret_token("bob")))).json()["data"]["openAccount"]
        item = await other.item()
        assert item is not None and item["data"]["events"]["position"] == applied["position"]
    signed.clock.now = time.time()


SUBSCRIPTIONS = [
    "subscription { accounts { __typename } }",
    'subscription { lineage(commandId: "COMMAND") { settled } }',
]


async def test_any_subscription_ends_with_its_token(signed: Signed) -> None:
    applied = (await signed.query(OPEN, bearer(secret_token("alice")))).json()["data"]["openAccount"]
    for transport in FOLLOWING:
        for document in SUBSCRIPTIONS:
            document = document.replace("COMMAND", applied["commandId"])
            signed.clock.now = time.time()
            async with streaming(transport, signed, document, secret_token("alice", seconds=60)) as stream:
                assert "errors" not in (await stream.item() or {})
                signed.clock.now = time.time() + 62
                while (item := await stream.item()) is not None and "errors" not in item:
                    pass
                assert item is not None and item["errors"] == [EXPIRED], (transport, document)
                assert await stream.item() is None


async def test_a_client_that_comes_back_with_a_fresh_token_misses_nothing(signed: Signed) -> None:
    document = "subscription { events { ... on AccountOpened { position } __typename } }"
    first = secret_token("alice", seconds=60)
    seen: list[str] = []

    def note(item: dict[str, Any] | None) -> None:
        event = (item or {}).get("data") and item["data"]["events"]  # type: ignore[index]
        if event and event["__typename"] == "AccountOpened":
            seen.append(event["position"])

    async with streaming("sse", signed, document, first) as stream:
        while "CaughtUp" not in json.dumps(await stream.item()):
            pass
        one = (await signed.query(OPEN)).json()["data"]["openAccount"]["position"]
        note(await stream.item())
        signed.clock.now = time.time() + 62
        while await stream.item() is not None:
            pass
    missed = (await signed.query(OPEN)).json()["data"]["openAccount"]["position"]
    assert stream.cursor is not None
    fresh, cursor = secret_token("alice", seconds=600), {"last-event-id": stream.cursor}
    async with streaming("sse", signed, document, fresh, **cursor) as again:
        note(await again.item())
    assert seen == [one, missed]


async def test_an_operation_on_a_socket_whose_token_has_just_ended_does_not_run(signed: Signed) -> None:
    async with socket_to(signed, "graphql-transport-ws") as socket:
        token = secret_token("alice", seconds=60)
        await socket.send(json.dumps({"type": "connection_init", "payload": bearer(token)}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        before = await signed.head()
        signed.clock.now = time.time() + 62
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": OPEN}}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                message = json.loads(await socket.recv())
                payload = message[
                    "payload"
                ]  # of `next`, if the token was found to have ended before the gate
                errors = payload if message["type"] == "error" else payload["errors"]
                assert errors[0]["extensions"] == EXPIRED["extensions"]
                assert message["type"] == "error" or payload["data"] is None
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4403
    assert await signed.head() == before


class Away:
    """An issuer whose keys were never fetched."""

    async def verified(self, token: str) -> Access:
        raise Unavailable("the issuer of tokens", "it does not answer")


async def test_while_keys_are_missing_a_token_gets_unavailable_and_others_are_served(
    all_parts: Services,
) -> None:
    services = replace(all_parts, authentication=Authentication(Away()))
    async with serving(bank_schema(), lambda: services) as port:
        signed = Signed(services, Authentication(Away()), Clock(), port)
        answer = await signed.query("{ __typename }", bearer(secret_token("alice")))
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
        assert (await signed.query("{ __typename }")).json() == {"data": {"__typename": "Query"}}
        async with socket_to(signed, "graphql-transport-ws") as socket:
            payload = bearer(secret_token(str(uuid4())))
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013
