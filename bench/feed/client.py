"""Many subscribers in one process: raw connections, each event of each of them checked.

As a process it takes a Watch as JSON, one line. It prints {"subscribed": …} once every subscription has
begun, and a Seen when the last subscriber has received its last event; then it ends when its input does.

It shares the machine with what it measures, so it does little: a frame whose position is due, and whose bytes
are those that were decoded and checked for another subscriber, is recognised; every other frame is decoded.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, cast
from uuid import UUID

import msgspec
import uvloop

from bench.feed.frames import CLOSE, PING, PONG, TEXT, client_frame, next_frame, upgrade_request

_CONNECTING_AT_ONCE = 64
_STRAY_SECONDS = 0.3


class Watch(msgspec.Struct, frozen=True):
    """What to subscribe to. variables: one for each subscriber; streams: what each may receive, or none.

    after: the position behind which each begins; None is that of the CaughtUp which each receives first.
    tokens: of who subscribes, one for each subscriber, or none.
    events: how many each receives: n subscribers of a stream each receive every n-th, the first one's first.
    """

    port: int
    query: str
    subscribers: int
    events: int
    after: int | None = None
    variables: list[msgspec.Raw] = []
    streams: list[str] = []
    record: bool = False
    tokens: list[str] = []


class Seen(msgspec.Struct, frozen=True):
    """first, last: when the first event of all came, and the last; on the machine's monotonic clock.

    arrived: with record, when the event of each command came.
    """

    deliveries: int
    first: float
    last: float
    arrived: dict[UUID, float] = {}

    @property
    def seconds(self) -> float:
        return self.last - self.first

    @property
    def per_second(self) -> float:
        return self.deliveries / self.seconds


class Violation(Exception):
    """A subscriber received what it should not have: another position, another stream, an error."""


class _Item(msgspec.Struct, rename="camel"):
    position: str
    type: str | None = None
    stream: str | None = None
    amount: str | None = None
    command_id: UUID | None = None


class _Data(msgspec.Struct):
    events: _Item


class _Payload(msgspec.Struct, forbid_unknown_fields=True):  # no errors beside the data
    data: _Data
    extensions: msgspec.Raw | None = None


class _Next(msgspec.Struct, tag_field="type", tag="next"):
    id: str
    payload: _Payload


class _Acknowledged(msgspec.Struct, tag_field="type", tag="connection_ack"):
    pass


class _Ping(msgspec.Struct, tag_field="type", tag="ping"):
    pass


_decode = msgspec.json.Decoder(_Next | _Acknowledged | _Ping).decode


class _Subscriber(asyncio.Protocol):
    """connecting ─► upgraded ─► acknowledged ─► receiving ─► done"""

    def __init__(self, crowd: _Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._stream = crowd.watch.streams[number] if crowd.watch.streams else None
        self._rest = b""
        self._upgraded = False
        self._due = -1  # the next position; unknown before the subscription has begun
        self._last = -1
        self._done = False
        self._transport: asyncio.WriteTransport | None = None
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are of no class of asyncio's
        self._transport.write(upgrade_request(self._crowd.watch.port))

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.fail(error or Violation(f"the server closed a connection behind {self._rest[:300]!r}"))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        try:
            at = self._read(data) if self._upgraded else self._upgrade(data)
        except (Violation, ValueError, msgspec.MsgspecError) as error:
            self._crowd.fail(Violation(f"{error}; among {data[:1000]!r}"))
            return
        self._rest = data[at:] if at < len(data) else b""
        if self._due > self._last >= 0 and not self._done:
            self._done = True
            self._crowd.one_is_done()

    def _upgrade(self, data: bytes) -> int:
        """Returns how many bytes were read."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101 "):
            raise Violation("the server did not take the WebSocket")
        self._upgraded = True
        self._send(client_frame(self._crowd.opening(self._number)))
        return end + 4

    def _read(self, data: bytes) -> int:
        """Takes all whole frames. Returns how many bytes they are."""
        known, step, size = self._crowd.known, self._crowd.step, len(data)
        at = 0
        while at < size:
            frame = known.get(self._due)
            if frame is not None and data.startswith(frame, at):
                at += len(frame)
                self._due += step
                continue
            found = next_frame(data, at)
            if found is None:
                break
            opcode, begin, end = found
            if opcode == TEXT:
                self._message(data[begin:end], data[at:end])
            elif opcode == PING:
                self._send(client_frame(data[begin:end], PONG))
            elif opcode == CLOSE:
                raise Violation("the server closed a WebSocket")
            at = end
        return at

    def _message(self, text: bytes, frame: bytes) -> None:
        match _decode(text):
            case _Next() as received:
                self._item(received, frame)
            case _Acknowledged():
                self._send(client_frame(self._crowd.subscription(self._number)))
                if (after := self._crowd.watch.after) is not None:
                    self._begin(after)
            case _Ping():
                self._send(client_frame(b'{"type":"pong"}'))

    def _item(self, received: _Next, frame: bytes) -> None:
        item = received.payload.data.events
        position = int(item.position)
        if item.type is None:  # CaughtUp or Heartbeat: all before it has come
            if self._due < 0:
                self._begin(position)
            elif position >= self._due:
                raise Violation(f"position {self._due} is missing")
            return
        if position != self._due or position > self._last or received.id != "1":
            raise Violation(f"position {position} came, {self._due} was due, {self._last} is the last")
        if self._stream is not None and item.stream != self._stream:
            raise Violation(f"an event of {item.stream} came, asked for was {self._stream}")
        self._crowd.check(item, position, frame)
        self._due += self._crowd.step

    def _begin(self, after: int) -> None:
        self._due = after + 1 + (self._number if self._stream is not None else 0)
        self._last = self._due + (self._crowd.watch.events - 1) * self._crowd.step
        self.begun.set_result(None)

    def _send(self, frame: bytes) -> None:
        assert self._transport is not None, "connected"
        self._transport.write(frame)


class _Crowd:
    """All subscribers, the frames that were checked, and when events came.

    known: the checked frames by position, where all subscribers receive the same.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.step = watch.subscribers if watch.streams else 1
        self.known: dict[int, bytes] = {}
        self._items: dict[int, _Item] = {}
        self._shared = watch.subscribers > 1 and not watch.streams
        self._arrived: dict[UUID, float] = {}
        self._first = 0.0
        self._unfinished = watch.subscribers
        self._failure: Exception | None = None
        self._ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def subscribe(self) -> None:
        """Returns when each subscription has begun. Raises what is wrong with one."""
        connecting = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        loop = asyncio.get_running_loop()

        async def one(number: int) -> None:
            async with connecting:
                subscriber = _Subscriber(self, number)
                await loop.create_connection(lambda: subscriber, "127.0.0.1", self.watch.port)
                waited: set[asyncio.Future[Any]] = {subscriber.begun, self._ended}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if self._ended.done():
                    self._ended.result()

        await asyncio.gather(*(one(number) for number in range(self.watch.subscribers)))

    async def see(self) -> Seen:
        """Waits for the last event of the last subscriber, then a little for what should not come."""
        last = await self._ended
        await asyncio.sleep(_STRAY_SECONDS)
        if self._failure is not None:
            raise self._failure
        return Seen(self.watch.subscribers * self.watch.events, self._first, last, self._arrived)

    def opening(self, number: int) -> bytes:
        tokens = self.watch.tokens
        payload = {"payload": {"authorization": f"Bearer {tokens[number]}"}} if tokens else {}
        return msgspec.json.encode({"type": "connection_init", **payload})

    def subscription(self, number: int) -> bytes:
        watch = self.watch
        variables = watch.variables[number] if watch.variables else msgspec.Raw(b"{}")
        payload = {"query": watch.query, "variables": variables}
        return msgspec.json.encode({"id": "1", "type": "subscribe", "payload": payload})

    def check(self, item: _Item, position: int, frame: bytes) -> None:
        """An event that was decoded; from now on the others' are known by its bytes. Raises Violation."""
        if not self._first:
            self._first = time.perf_counter()
        if self.watch.record:
            assert item.command_id is not None, "the query asks for it"
            self._arrived[item.command_id] = time.perf_counter()
        elif item.type != "MoneyDeposited" or item.amount != "1.00" or not item.stream:
            raise Violation("not a deposit as it was published")
        if self._shared:
            self.known.setdefault(position, frame)
            if self._items.setdefault(position, item) != item:
                raise Violation(f"position {position} is another event for another subscriber")

    def one_is_done(self) -> None:
        self._unfinished -= 1
        if self._unfinished == 0 and not self._ended.done():
            self._ended.set_result(time.perf_counter())

    def fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        if not self._ended.done():
            self._ended.set_exception(error)


async def _watch(watch: Watch) -> None:
    crowd = _Crowd(watch)
    await crowd.subscribe()
    print(msgspec.json.encode({"subscribed": watch.subscribers}).decode(), flush=True)
    print(msgspec.json.encode(await crowd.see()).decode(), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.readline(), type=Watch)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_watch(given))
