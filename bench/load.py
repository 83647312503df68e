"""The clients of an API: one process, raw connections kept alive, every answer checked.

As a process it takes a Load as JSON and prints what came of it, a LoadResult.

    closed   each connection sends its next mutation when the last is answered: the most the server gives
    paced    mutations come at a given rate whatever the server does, each to an idle connection or, if there
             is none, in line for one; its time counts from when it was due, so waiting in line is in it
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from typing import cast
from uuid import UUID, uuid4

import msgspec
import uvloop

from bench.filling import AMOUNT
from bench.processes import measured_by

_DOCUMENT = """mutation Deposit($input: DepositInput!, $options: CommandOptions) {
  deposit(input: $input, options: $options) {
    __typename
    ... on CommandAccepted { commandId }
    ... on CommandApplied { commandId position version }
  }
}"""
_EXPECTED = {"ACCEPTED": "CommandAccepted", "APPLIED": "CommandApplied", "PROJECTED": "CommandApplied"}


class Load(msgspec.Struct, frozen=True):
    """wait: the option of each deposit. per_second: None is closed. warm_up: before the clock, closed.

    given_ids: the clients choose the ids of the commands. tokens: of who sends to each account; or none.
    """

    port: int
    wait: str
    accounts: list[UUID]
    connections: int
    warm_up: int
    mutations: int
    per_second: float | None = None
    given_ids: bool = False
    tokens: list[str] = []


class LoadResult(msgspec.Struct, frozen=True):
    """milliseconds: of each mutation, sorted. command_ids: as answered, those of the warm-up included.

    due: when each of them was due, on the machine's monotonic clock; one for each of command_ids.
    """

    seconds: float
    milliseconds: list[float]
    command_ids: list[UUID]
    due: list[float]

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: float) -> float:
        return self.milliseconds[min(len(self.milliseconds) - 1, int(len(self.milliseconds) * percent / 100))]


class BadAnswer(Exception):
    """An answer that is not what the mutation promises."""


class _Result(msgspec.Struct, rename="camel"):
    typename: str = msgspec.field(name="__typename")
    command_id: UUID | None = None


class _Data(msgspec.Struct):
    deposit: _Result


class _Answer(msgspec.Struct):
    data: _Data | None


async def mutations(load: Load) -> LoadResult:
    """What came of a load, sent by a process of its own."""
    return msgspec.json.decode(
        await measured_by("bench.load", given=msgspec.json.encode(load)), type=LoadResult
    )


class _Client(asyncio.Protocol):
    """One connection, with at most one mutation under way."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._received = b""
        self.due = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are of no class of asyncio's

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None, "connected"
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self._received = b""
        self._crowd.answered(self, head, body)

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.lost(error)


class _Crowd:
    """All connections, and what they were answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._expected = _EXPECTED[load.wait]
        self._requests = [_request(load, number) for number in range(len(load.accounts))]
        self._idle: deque[_Client] = deque()
        self._line: deque[float] = deque()
        self._sent = 0
        self._unsent = 0
        self._unanswered = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._milliseconds: list[float] = []
        self._command_ids: list[UUID] = []
        self._due: list[float] = []

    async def run(self) -> LoadResult:
        loop = asyncio.get_running_loop()
        for _ in range(self._load.connections):
            _, client = await loop.create_connection(lambda: _Client(self), "127.0.0.1", self._load.port)
            self._idle.append(client)
        await self._closed(self._load.warm_up)
        self._milliseconds.clear()
        began = time.perf_counter()
        if self._load.per_second is None:
            await self._closed(self._load.mutations)
        else:
            await self._paced(self._load.mutations, self._load.per_second)
        seconds = time.perf_counter() - began
        return LoadResult(seconds, sorted(self._milliseconds), self._command_ids, self._due)

    async def _closed(self, count: int) -> None:
        self._begin(count)
        at_once = min(count, len(self._idle))
        self._unsent = count - at_once
        for _ in range(at_once):
            self._send(self._idle.popleft(), time.perf_counter())
        await self._done

    async def _paced(self, count: int, per_second: float) -> None:
        self._begin(count)
        begin = time.perf_counter()
        for number in range(count):
            due = begin + number / per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            if self._idle:
                self._send(self._idle.popleft(), due)
            else:
                self._line.append(due)
            if self._done.done():
                break  # with an error
        await self._done

    def _begin(self, count: int) -> None:
        self._unanswered = count
        self._done = asyncio.get_running_loop().create_future()
        if not count:
            self._done.set_result(None)

    def _send(self, client: _Client, due: float) -> None:
        request = self._requests[self._sent % len(self._requests)]
        if self._load.given_ids:
            request = request.replace(_ANY_ID, str(uuid4()).encode())
        client.send(request, due)
        self._sent += 1

    def answered(self, client: _Client, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        self._milliseconds.append((now - client.due) * 1000)
        try:
            self._command_ids.append(_checked(head, body, self._expected))
            self._due.append(client.due)
        except (BadAnswer, msgspec.DecodeError) as error:
            self._fail(BadAnswer(f"{error}: {head[:200]!r} {body[:500]!r}"))
            return
        self._unanswered -= 1
        if self._line:
            self._send(client, self._line.popleft())
        elif self._unsent:
            self._unsent -= 1
            self._send(client, now)
        else:
            self._idle.append(client)
        if not self._unanswered and not self._done.done():
            self._done.set_result(None)

    def lost(self, error: Exception | None) -> None:
        self._fail(error or BadAnswer("the server closed a connection"))

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def _checked(head: bytes, body: bytes, expected: str) -> UUID:
    """The command's id. Raises BadAnswer, msgspec.DecodeError."""
    if not head.startswith(b"HTTP/1.1 200 "):
        raise BadAnswer("not 200")
    data = _decoder.decode(body).data
    if data is None or data.deposit.typename != expected or data.deposit.command_id is None:
        raise BadAnswer(f"not {expected}")
    return data.deposit.command_id


_decoder = msgspec.json.Decoder(_Answer)
_ANY_ID = str(UUID(int=0)).encode()  # replaced in each request


def _content_length(head: bytes) -> int:
    lower = head.lower()
    begin = lower.index(b"content-length:") + len(b"content-length:")
    end = lower.find(b"\r\n", begin)
    return int(lower[begin : end if end > 0 else len(lower)])


def _request(load: Load, number: int) -> bytes:
    """number: of the account."""
    options = {"wait": load.wait} | ({"commandId": _ANY_ID.decode()} if load.given_ids else {})
    variables = {"input": {"accountId": load.accounts[number], "amount": str(AMOUNT)}, "options": options}
    body = msgspec.json.encode({"query": _DOCUMENT, "variables": variables})
    token = f"Authorization: Bearer {load.tokens[number]}\r\n" if load.tokens else ""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nContent-Type: application/json\r\n{token}"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)

    async def run() -> LoadResult:
        return await _Crowd(given).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(run())))
