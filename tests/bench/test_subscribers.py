"""The subscribers of bench/feed notice whatever a server does wrong; otherwise its figures mean nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bench.feed.client import Seen, Watch
from bench.feed.frames import PING, PONG, client_frame, next_frame, server_frame
from bench.feed.limits.conversation import ACKNOWLEDGED, caught_up, event
from bench.feed.publishing import stream_of
from bench.feed.subscribers import subscribed
from bench.processes import MeasurementFailed

_PING = server_frame(b"?", PING)
_UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@asynccontextmanager
async def serving(*sent: Sequence[str | bytes]) -> AsyncIterator[int]:
    """A server that sends these messages or frames to the subscribers, in the order they come: its port."""
    waiting = list(sent)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = waiting.pop(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_UPGRADED)
        await reader.read(65536)  # connection_init
        writer.write(server_frame(ACKNOWLEDGED.encode()))
        await reader.read(65536)  # subscribe
        for message in [caught_up(0), *mine]:
            writer.write(message if isinstance(message, bytes) else server_frame(message.encode()))
            if message is _PING:
                await reader.readuntil(b"?")  # the answer: all that was sent before has been read
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def events(*positions: int) -> list[str | bytes]:
    return [event(position, position - 1, 3) for position in positions]


async def seen(port: int, subscribers: int, count: int, streams: list[str] | None = None) -> Seen:
    async with subscribed(Watch(port, "subscription", subscribers, count, streams=streams or [])) as process:
        return await process.seen(timeout_seconds=20)


async def test_subscribers_that_receive_each_position_once_in_order_are_counted() -> None:
    async with serving(events(1, 2, 3), events(1, 2, 3)) as port:
        found = await seen(port, 2, 3)
    assert found.deliveries == 6
    assert 0 < found.first <= found.last


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(events(1, 3), id="one is missing"),
        pytest.param(events(1, 1, 2, 3), id="one comes twice"),
        pytest.param(events(2, 1, 3), id="two are swapped"),
        pytest.param(events(1, 2, 3, 3), id="the last comes twice"),
        pytest.param([*events(1, 2, 3), _PING, *events(3)], id="the last comes again later"),
        pytest.param(events(1, 2, 3, 4), id="one too many"),
        pytest.param([*events(1), event(2, 2, 3), *events(3)], id="another content than the others received"),
        pytest.param([*events(1), caught_up(2)], id="caught up beyond what came"),
        pytest.param(['{"id":"1","type":"error","payload":[]}'], id="an error"),
        pytest.param(['{"id":"1","type":"next","payload":{"data":null,"errors":[]}}'], id="no data"),
        pytest.param(['{"id":"1","type":"complete"}'], id="the end of the subscription"),
        pytest.param([server_frame(b"\x03\xe8", 0x8)], id="the end of the connection"),
        pytest.param([client_frame(b"{}")], id="a frame with a mask"),
    ],
)
@pytest.mark.parametrize("faulty", [0, 1])
async def test_a_subscriber_that_receives_something_else_fails_the_run(
    received: list[str | bytes], faulty: int
) -> None:
    right = events(1, 2, 3)
    async with serving(*((received, right) if faulty == 0 else (right, received))) as port:
        with pytest.raises(MeasurementFailed, match="Violation"):
            await seen(port, 2, 3)


async def test_the_same_event_may_be_written_in_two_ways() -> None:
    spaced = [event(1, 0, 3).replace(":", ": ")]
    async with serving(events(1), spaced, events(1)) as port:
        assert (await seen(port, 3, 1)).deliveries == 3


async def test_with_filters_each_subscriber_is_due_the_events_of_its_own_stream() -> None:
    streams = [stream_of(number) for number in range(3)]
    async with serving(events(1, 4), events(2, 5), events(3, 6)) as port:
        assert (await seen(port, 3, 2, streams)).deliveries == 6


async def test_an_event_of_another_stream_fails_the_run() -> None:
    async with serving(events(1)) as port:
        with pytest.raises(MeasurementFailed, match="Violation"):
            await seen(port, 1, 1, [stream_of(1)])


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_frame_is_read_once_it_is_whole(length: int) -> None:
    payload = b"x" * length
    data = b"before" + server_frame(payload, PING) + server_frame(b"behind", PONG)
    whole = next_frame(data, 6)
    assert whole is not None
    opcode, begin, end = whole
    assert (opcode, data[begin:end]) == (PING, payload)
    assert next_frame(data, end) == (PONG, end + 2, len(data))
    assert all(next_frame(data[:cut], 6) is None for cut in (6, 7, begin - 1, end - 1) if cut < end)
