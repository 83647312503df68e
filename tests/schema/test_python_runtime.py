"""What gateways and networks do to a stream and to a request, made by a server of the test's own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from commander.schema.python.runtime.core import Core
from commander.schema.python.runtime.errors import (
    Cursor,
    CursorLost,
    Interrupted,
    OutcomeUnknown,
    RequestRefused,
)
from commander.schema.python.runtime.feed import Feed
from commander.schema.python.runtime.waiting import Patience
from tests.system import NO_TLS

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
APPLIED = {"data": {"deposit": {"__typename": "CommandApplied", "position": "7"}}}


@dataclass(frozen=True)
class Paid:
    position: int


@dataclass(frozen=True)
class Refunded:
    position: int


def event(position: int, **more: Any) -> dict[str, Any]:
    return {"__typename": "Paid", "position": str(position), "logEpoch": 1, "version": 1, **more}


def next_(item: Any) -> bytes:
    return (
        b"event: next\nid: 1\ndata: "
        + json.dumps({"data": {"events": item}}, ensure_ascii=False).encode()
        + b"\n\n"
    )


def stream(*parts: bytes, ends: bool = True, pause_seconds: float = 0) -> Answer:
    """A stream of these parts. ends: then the connection is closed, otherwise it is silent."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_seconds)
        if not ends:
            await asyncio.sleep(3600)

    return answer


def response(status: int, body: Any, **headers: str) -> Answer:
    """A whole response: JSON, or the page of a gateway."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "text/html" if isinstance(body, str) else "application/json"
    lines = [
        f"HTTP/1.1 {status} Something",
        f"Content-Type: {kind}",
        f"Content-Length: {len(text.encode())}",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", text]).encode())

    return answer


async def lost(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def failed(code: str | None, **more: Any) -> dict[str, Any]:
    extensions = {} if code is None else {"extensions": {"code": code, **more}}
    return {"data": None, "errors": [{"message": str(code), **extensions}]}


class Gateway:
    """seen: the bodies of the requests, and when each came."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.seen: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.breaks: list[Exception] = []

    def follow(self, after: int | None = 0) -> Feed[Any]:
        return self.core.follow("subscription", dict, after, None)

    async def positions(self, count: int) -> list[int]:
        feed = self.follow()
        async with asyncio.timeout(10):
            got = [int((await anext(feed))["position"]) for _ in range(count)]
        await feed.aclose()
        return got

    async def deposit(self, **options: Any) -> Any:
        return await self.core.command("deposit", "mutation", {}, options, dict)

    @property
    def cursors(self) -> list[str | None]:
        return [body["variables"].get("after") for body in self.seen]


@asynccontextmanager
async def against(*answers: Answer) -> AsyncIterator[Gateway]:
    """A client of a server that gives these answers one after the other, the last one again and again."""
    waiting = list(answers)
    connections: list[Any] = []
    gateway: Gateway

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        gateway.seen.append(json.loads(await reader.readexactly(length)))
        gateway.times.append(time.monotonic())
        try:
            await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"
    async with httpx.AsyncClient(verify=NO_TLS, trust_env=False) as http:
        core = Core(
            url,
            headers=None,
            transport=None,
            http=http,
            patience=Patience(1, 0.05, lambda error: gateway.breaks.append(error)),
            answer_seconds=0.5,
        )
        gateway = Gateway(core)
        yield gateway
        await core.close()
    for connection in connections:
        connection.cancel()
    server.close()
    await server.wait_closed()


BREAKS: dict[str, Answer] = {
    "the end of the connection": stream(next_(event(1))),
    "complete": stream(next_(event(1)), b"event: complete\ndata:\n\n", ends=False),
    "the end in the middle of an event": stream(next_(event(1)), next_(event(2))[:30]),
    "silence": stream(next_(event(1)), ends=False),
    "UNAVAILABLE": stream(
        next_(event(1)),
        b"event: next\ndata: " + json.dumps(failed("UNAVAILABLE")).encode() + b"\n\n",
        ends=False,
    ),
    "an error of a gateway": stream(
        next_(event(1)), b'event: next\ndata: {"errors":[{"message":"upstream"}]}\n\n', ends=False
    ),
    "an item that is no answer": stream(next_(event(1)), b"event: next\ndata: <html>\n\n", ends=False),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_the_feed_goes_on_behind_its_cursor_after(name: str) -> None:
    unavailable = response(503, "<html>Service Unavailable</html>")
    async with against(BREAKS[name], unavailable, stream(next_(event(1)), next_(event(2)))) as gateway:
        assert await gateway.positions(2) == [1, 2]
        assert gateway.cursors == ["0", "1", "1"]
        assert len(gateway.breaks) == 2


async def test_bytes_may_be_cut_anywhere_and_lines_may_end_with_cr_lf_and_hold_any_character() -> None:
    item = event(1, owner="Zoë 💶\u2028\u0085end")
    parts = [bytes([byte]) for byte in next_(item).replace(b"\n", b"\r\n")]
    async with against(stream(*parts)) as gateway:
        assert await anext(gateway.follow(None)) == item


async def test_a_keep_alive_is_no_silence() -> None:
    beats = [b":\n\n"] * 6
    async with against(stream(next_(event(1)), *beats, next_(event(2)), pause_seconds=0.25)) as gateway:
        assert await gateway.positions(2) == [1, 2]
        assert gateway.breaks == []


async def test_a_reader_that_is_slow_loses_nothing_and_is_no_silence() -> None:
    async with against(stream(*(next_(event(n)) for n in range(1, 4)), ends=False)) as gateway:
        feed = gateway.follow()
        await anext(feed)
        await asyncio.sleep(1.5)
        assert [(await anext(feed))["position"] for _ in range(2)] == ["2", "3"]
        assert len(gateway.seen) == 1


async def test_items_of_the_apis_own_that_the_client_does_not_know_are_passed_over() -> None:
    news = {"__typename": "Advice", "position": "5", "logEpoch": 2}
    async with against(stream(next_(news), next_(event(6)), ends=False)) as gateway:
        feed = gateway.core.follow("subscription", Paid | Refunded, 0, None)
        assert await anext(feed) == Paid(position=6)
        assert feed.cursor == Cursor(6, 1)


async def test_a_log_that_was_set_back_is_said_with_the_cursor_to_go_on_from() -> None:
    async with against(response(200, failed("CURSOR_LOST", position="4", logEpoch=2))) as gateway:
        with pytest.raises(CursorLost) as lost_:
            await anext(gateway.follow(9))
        assert (lost_.value.cursor.position, lost_.value.cursor.log_epoch) == (4, 2)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
async def test_a_first_answer_that_refuses_ends_the_feed(status: int) -> None:
    async with against(response(status, "<html>")) as gateway:
        with pytest.raises(RequestRefused, match=f"status {status}"):
            await anext(gateway.follow())


async def test_a_token_that_expires_is_no_end_of_a_stream_that_has_lived() -> None:
    expired = stream(
        next_(event(1)),
        b"event: next\ndata: " + json.dumps(failed("UNAUTHENTICATED")).encode() + b"\n\n",
        ends=False,
    )
    async with against(expired, stream(next_(event(2)))) as gateway:
        assert await gateway.positions(2) == [1, 2]


TRANSIENT: dict[str, Answer] = {
    "a lost connection": lost,
    "a page of a gateway": response(502, "<html>Bad Gateway</html>"),
    "OVERLOADED": response(503, failed("OVERLOADED")),
    "UNAVAILABLE": response(200, failed("UNAVAILABLE")),
    "429": response(429, "slow down"),
    "an empty answer": response(
        200, {"data": None, "errors": [{"message": "?", "extensions": {"code": "NEW"}}]}
    ),
}


@pytest.mark.parametrize("name", TRANSIENT)
async def test_a_command_is_sent_again_under_its_id_after(name: str) -> None:
    async with against(TRANSIENT[name], TRANSIENT[name], response(200, APPLIED)) as gateway:
        assert (await gateway.deposit())["position"] == "7"
        ids = [body["variables"]["options"]["commandId"] for body in gateway.seen]
        assert len(ids) == 3
        assert len(set(ids)) == 1
        assert gateway.core.written == 7


async def test_a_command_that_is_pending_is_asked_for_until_it_is_decided() -> None:
    pending = {"data": {"deposit": {"__typename": "CommandPending", "stage": "DECISION", "behind": []}}}
    late = {"data": {"deposit": {"__typename": "CommandPending", "stage": "PROJECTION", "behind": []}}}
    async with against(response(200, pending), response(200, late)) as gateway:
        assert (await gateway.deposit())["stage"] == "PROJECTION"
        assert len(gateway.seen) == 2


async def test_no_answer_in_time_is_a_break_and_the_patience_is_an_end() -> None:
    command_id = uuid4()
    async with against(stream(ends=False)) as gateway:
        with pytest.raises(OutcomeUnknown) as unknown:
            await gateway.deposit(command_id=command_id, timeout_ms=100, patience_seconds=1)
        assert unknown.value.command_id == command_id
        assert isinstance(unknown.value.__cause__, Interrupted)


@pytest.mark.parametrize(
    "header", [{"Retry_After": "1"}, {}], ids=["the header Retry-After", "retryAfterSeconds"]
)
async def test_what_the_server_asks_for_is_heeded_and_pauses_differ(header: dict[str, str]) -> None:
    more = {} if header else {"retryAfterSeconds": 1}
    async with against(
        response(503, failed("OVERLOADED", **more), **header), response(200, APPLIED)
    ) as gateway:
        await gateway.deposit()
        first, second = gateway.times
        assert 1 <= second - first < 5


async def test_a_refusal_is_not_repeated_and_after_a_break_the_outcome_is_not_known() -> None:
    refused = response(200, failed("BAD_USER_INPUT"))
    async with against(refused) as gateway:
        with pytest.raises(RequestRefused, match="BAD_USER_INPUT"):
            await gateway.deposit()
        assert len(gateway.seen) == 1
    async with against(lost, refused) as gateway:
        with pytest.raises(OutcomeUnknown):
            await gateway.deposit()


async def test_a_read_after_the_log_was_set_back_no_longer_asks_for_what_was_written() -> None:
    beyond = failed("BAD_REQUEST", head="3")
    row = {"data": {"account": {"owner": "Ada"}}}
    async with against(response(200, APPLIED), response(200, beyond), response(200, row)) as gateway:
        await gateway.deposit()
        assert await gateway.core.row("account", "query", {}, dict, 5) == {"owner": "Ada"}
        assert [body["variables"].get("atLeast") for body in gateway.seen[1:]] == ["7", None]
        assert gateway.core.written is None


async def test_headers_can_be_made_for_each_request() -> None:
    made = iter(range(10))

    async def headers() -> dict[str, str]:
        return {"authorization": str(next(made))}

    async with against(response(503, "<html>"), response(200, APPLIED)) as gateway:
        gateway.core._http._headers = headers
        await gateway.deposit()
    assert next(made) == 2


async def test_an_address_that_is_none_of_http_is_refused_at_once() -> None:
    core = Core(
        "ftp://nowhere", headers=None, transport=None, http=None, patience=Patience(), answer_seconds=1
    )
    with pytest.raises(RequestRefused, match="ftp"):
        await core.command("deposit", "mutation", {}, {"command_id": UUID(int=1)}, dict)
    await core.close()
