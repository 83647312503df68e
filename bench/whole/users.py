"""The users of the bank: mutations at a given rate, whatever the system does meanwhile.

As a process it takes Users as JSON and prints a UsersTick a line. Each mutation goes to an idle connection,
or into the line for one. It waits for its outcome. If the connection is lost, or the API says that it cannot
now, it is sent again under the same command id, to the next API: so each command has one outcome, and the
time of a failover is in it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from uuid import UUID, uuid4

import msgspec
import uvloop

from bench.whole.timeline import Answer, UsersTick

_FIELDS = {
    "openAccount": "OpenAccountInput",
    "deposit": "DepositInput",
    "withdraw": "WithdrawInput",
    "requestTransfer": "RequestTransferInput",
}
_SHARES = {"openAccount": 5, "deposit": 45, "withdraw": 20, "requestTransfer": 30}
_TIMEOUT_MS = 20_000
_AGAIN_SECONDS = 0.1
_TICK_SECONDS = 0.25
_FINAL = {"CommandApplied": "applied", "CommandRejected": "rejected", "CommandFailed": "failed"}
_LATER = {"UNAVAILABLE", "OVERLOADED", "RATE_LIMITED", "TIMED_OUT", "INTERNAL"}


class Users(msgspec.Struct, frozen=True):
    """ports: of the APIs. accounts: whose money moves. only: of each account this is done once, and no more.

    clients: how many connections. per_second, seconds: for how long mutations are due at which rate.
    """

    ports: list[int]
    accounts: list[UUID]
    clients: int
    per_second: float
    seconds: float
    only: Literal["openAccount", "deposit"] | None = None


class _Mutation(NamedTuple):
    name: str
    due: float
    body: bytes


class _Typed(msgspec.Struct):
    typename: str = msgspec.field(name="__typename")


class _Error(msgspec.Struct):
    message: str
    extensions: dict[str, msgspec.Raw] = {}


class _Answered(msgspec.Struct):
    data: dict[str, _Typed | None] | None = None
    errors: list[_Error] = []


_decode = msgspec.json.Decoder(_Answered).decode


class _Connection:
    """A connection to one of the APIs, made again to the next one when it is lost."""

    def __init__(self, ports: Sequence[int], number: int) -> None:
        self._ports = ports
        self._next = number
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: bytes) -> bytes:
        """The body of the answer. Raises OSError and EOFError; the next one is asked on a new connection."""
        try:
            if self._streams is None:
                port = self._ports[self._next % len(self._ports)]
                self._next += 1
                self._streams = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = self._streams
            writer.write(_HEAD % len(body) + body)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            begin = head.index(b"content-length:") + len(b"content-length:")
            return await reader.readexactly(int(head[begin : head.index(b"\r\n", begin)]))
        except (OSError, EOFError):
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


_HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Accept: application/json\r\nContent-Length: %d\r\n\r\n"
)


class _Crowd:
    """All users. Mutations that are due and find no idle connection stand in the line."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._line: asyncio.Queue[_Mutation] = asyncio.Queue()
        self._new: list[Answer] = []
        self._waiting = 0
        self._sent = asyncio.Event()
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Returns when all mutations have their outcome."""
        clients = [asyncio.create_task(self._client(number)) for number in range(self._users.clients)]
        ticking = asyncio.create_task(self._tick())
        begin = time.perf_counter()
        for number, (name, variables) in enumerate(_mutations(self._users)):
            due = begin + number / self._users.per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            self._waiting += 1
            self._line.put_nowait(_Mutation(name, due, _body(name, variables)))
        await self._line.join()
        for task in (ticking, *clients):
            task.cancel()
        self._print()

    async def _client(self, number: int) -> None:
        connection = _Connection(self._users.ports, number)
        while True:
            mutation = await self._line.get()
            outcome, tries = await _outcome_of(connection, mutation)
            self._waiting -= 1
            self._new.append(Answer(mutation.due, time.perf_counter(), mutation.name, outcome, tries))
            self._line.task_done()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._print()

    def _print(self) -> None:
        tick = UsersTick(time.perf_counter(), self._new, self._waiting)
        self._new = []
        sys.stdout.buffer.write(msgspec.json.encode(tick) + b"\n")
        sys.stdout.buffer.flush()


async def _outcome_of(connection: _Connection, mutation: _Mutation) -> tuple[str, int]:
    """The outcome, and how often the mutation was sent for it."""
    tries = 0
    while True:
        tries += 1
        try:
            outcome = _outcome(await connection.ask(mutation.body))
        except (OSError, EOFError):
            outcome = None
        if outcome is not None:
            return outcome, tries
        await asyncio.sleep(_AGAIN_SECONDS)


def _outcome(body: bytes) -> str | None:
    """None: it is to be sent again."""
    answered = _decode(body)
    if answered.errors:
        code = answered.errors[0].extensions.get("code", msgspec.Raw(b'""'))
        return None if bytes(code).decode().strip('"') in _LATER else f"error: {answered.errors[0].message}"
    [result] = (answered.data or {}).values()
    return None if result is None else _FINAL.get(result.typename)


def _mutations(users: Users) -> Iterator[tuple[str, dict[str, str]]]:
    """The mutations in the order in which they are due: their names and their inputs."""
    if users.only is not None:
        own = {"openAccount": {"owner": "User"}, "deposit": {"amount": "10000.00"}}[users.only]
        for account in users.accounts:
            yield users.only, {"accountId": str(account), **own}
        return
    drawing = random.Random(0)
    names, shares = [*_SHARES], [*_SHARES.values()]
    for number in range(int(users.per_second * users.seconds)):
        [name] = drawing.choices(names, shares)
        source, target = drawing.sample(users.accounts, 2)
        if name == "openAccount":
            yield name, {"owner": f"New user {number}"}
        elif name == "requestTransfer":
            yield name, {"sourceId": str(source), "targetId": str(target), "amount": "2.00"}
        else:
            yield name, {"accountId": str(source), "amount": "1.00"}


def _body(name: str, variables: dict[str, str]) -> bytes:
    options = {"wait": "APPLIED", "timeoutMs": _TIMEOUT_MS, "commandId": str(uuid4())}
    return msgspec.json.encode(
        {"query": _DOCUMENTS[name], "variables": {"input": variables, "options": options}}
    )


_DOCUMENTS = {
    name: f"mutation User($input: {input_type}!, $options: CommandOptions)"
    f"{{ {name}(input: $input, options: $options) {{ __typename }} }}"
    for name, input_type in _FIELDS.items()
}


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.readline(), type=Users)

    async def run() -> None:
        await _Crowd(given).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
