"""The watchers: each subscribes to all events, checks that none is missing, and resumes when it is cut off.

As a process it takes Watchers as JSON and prints a WatchersTick a line, until its input ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime

import msgspec
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bench.whole.timeline import WatchersTick

_DOCUMENT = """subscription Watch($after: Position) {
  events(after: $after) { __typename position ... on Event { recordedAt } }
}"""
_TICK_SECONDS = 0.25
_AGAIN_SECONDS = 0.2
_LATEST_SAMPLES = 20_000


class Watchers(msgspec.Struct, frozen=True):
    """ports: of the APIs, which the watchers take in turn."""

    ports: list[int]
    count: int


class EventMissing(Exception):
    """A watcher received another position than the next one."""


class _Item(msgspec.Struct, rename="camel"):
    position: str
    recorded_at: datetime | None = None


class _Data(msgspec.Struct):
    events: _Item


class _Payload(msgspec.Struct):
    data: _Data | None = None


class _Message(msgspec.Struct):
    type: str
    payload: _Payload | msgspec.UnsetType = msgspec.UNSET


class _Frame(msgspec.Struct):
    type: str
    payload: msgspec.Raw = msgspec.Raw(b"null")


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_payload = msgspec.json.Decoder(_Payload).decode


class _Crowd:
    """All watchers, and what they have received since the last tick."""

    def __init__(self, given: Watchers) -> None:
        self._given = given
        self._delivered = 0
        self._milliseconds: list[float] = []
        self._watching = 0
        self._reconnects = 0

    async def run(self) -> None:
        """Runs until the input ends. Raises EventMissing."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._watch(number)) for number in range(self._given.count)]
            tasks.append(group.create_task(self._tick()))
            await asyncio.to_thread(sys.stdin.buffer.read)
            for task in tasks:
                task.cancel()

    async def _watch(self, number: int) -> None:
        position: int | None = None
        while True:
            port = self._given.ports[number % len(self._given.ports)]
            number += 1
            try:
                async with connect(
                    f"ws://127.0.0.1:{port}/graphql",
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                    compression=None,
                    proxy=None,
                ) as socket:
                    await socket.send('{"type":"connection_init"}')
                    async for text in socket:
                        frame = _decode_frame(text)
                        if frame.type == "connection_ack":
                            await socket.send(_subscription(position))
                            self._watching += position is None
                        elif frame.type == "ping":
                            await socket.send('{"type":"pong"}')
                        elif frame.type == "next":
                            position = self._received(frame.payload, position)
                        elif frame.type in ("error", "complete"):
                            break
            except (OSError, WebSocketException):
                pass
            self._reconnects += 1
            await asyncio.sleep(_AGAIN_SECONDS)

    def _received(self, payload: msgspec.Raw, before: int | None) -> int | None:
        """The position behind which the next event is. Raises EventMissing."""
        data = _decode_payload(payload).data
        if data is None:
            return before
        position = int(data.events.position)
        if data.events.recorded_at is None:  # CaughtUp, Heartbeat, StandsStill: no event
            return position if before is None else before
        if before is not None and position != before + 1:
            raise EventMissing(f"the event at position {position} came behind that at {before}")
        self._delivered += 1
        if len(self._milliseconds) < _LATEST_SAMPLES:
            self._milliseconds.append(1000 * (time.time() - data.events.recorded_at.timestamp()))
        return position

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            at = time.perf_counter()
            rounded = [round(one, 2) for one in self._milliseconds]
            tick = WatchersTick(at, self._delivered, rounded, self._watching, self._reconnects)
            self._delivered, self._milliseconds = 0, []
            sys.stdout.buffer.write(msgspec.json.encode(tick) + b"\n")
            sys.stdout.buffer.flush()


def _subscription(after: int | None) -> str:
    variables = {} if after is None else {"after": str(after)}
    payload = {"query": _DOCUMENT, "variables": variables}
    return msgspec.json.encode({"id": "1", "type": "subscribe", "payload": payload}).decode()


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.readline(), type=Watchers)

    async def run() -> None:
        await _Crowd(given).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
