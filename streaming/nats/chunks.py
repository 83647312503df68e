"""NATS messages in chunks, instead of one by one.

nats-py parses each message with several regular expressions, parses its headers, puts it on a queue and wakes
a task. That was half of the time that a processor spent on a command, and a reader of a stream in order does
not need it. A chunked subscription receives all messages of one read of the socket as a list. All other
messages go through nats-py as usual. Many messages are published with one write.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import NamedTuple

import msgspec
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, ConnectionReconnectingError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from commander.eventstore.sockets import limit_silence

# HMSG <subject> <sid> [reply] <bytes of headers> <bytes in all>, or MSG without the bytes of headers
# The first is for deliveries of a consumer. The second takes twice as long: where a reply may be missing,
# "not a space" could match on into the payload.
_DELIVERY = re.compile(rb"H?MSG ([^ ]+) (\d+) (\$JS\.ACK\.[^ ]+) (?:(\d+) )?(\d+)\r\n")
_MESSAGE = re.compile(rb"(?:MSG|HMSG) (\S+) (\d+) (?:(\S*[^\d\s]\S*) )?(?:(\d+) )?(\d+)\r\n")

_numbers = count(1)


class OutMessage(NamedTuple):
    """A message to publish. Names and values of headers must not have line breaks."""

    subject: str
    payload: bytes
    headers: dict[str, str]


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """A received message. reply and headers are empty if it has none.

    skipped: if not empty, this is the last of so many messages that the subscription skips, without its
    headers and data. These are their sizes in bytes: headers, data, subject and reply.
    """

    subject: bytes
    reply: bytes
    headers: bytes
    data: bytes
    skipped: tuple[int, ...] = ()


Receive = Callable[[list[RawMessage]], None]
_Match = Callable[[bytes, int], "re.Match[bytes] | None"]

Front = Callable[[bytes], int]
"""From bytes that were read to how many of them, whole messages at the front, nobody needs to parse."""


class Chunked(NamedTuple):
    """A chunked subscription. skipped: matches the line of a delivery that it skips."""

    receive: Receive
    skipped: _Match | None = None


def skipping(receive: Receive, sid: int, subjects: str) -> Chunked:
    """The subscription of this number, which skips the subjects that this regular expression matches."""
    line = rf"H?MSG ({subjects}) {sid} (\$JS\.ACK\.[^ ]+) (?:\d+ )?(\d+)\r\n"
    return Chunked(receive, re.compile(line.encode()).match)


class InMessage(msgspec.Struct, frozen=True, gc=False):
    """A message of a stream. raw_headers: not parsed; `headers` parses them."""

    sequence: int
    subject: str
    data: bytes
    raw_headers: bytes

    @property
    def headers(self) -> dict[str, str]:
        return headers_of(self.raw_headers)


class ChunkedClient(Client):
    """nats-py's client, with subscriptions that receive their messages in lists.

    front: sees all bytes that are read while there are such subscriptions, before they are parsed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chunked: dict[int, Chunked] = {}
        self.front: Front | None = None
        self._ps = _ChunkParser(self)
        self._requests: dict[int, _Requests] = {}
        self._replies: asyncio.Task[str] | None = None

    async def subscribe_chunks(self, subject: str, receive: Receive, skipped: str = "") -> Subscription:
        """Calls `receive` with lists of messages, in order, until `unsubscribe_chunks`. It must not block.

        skipped: a regular expression without groups, for whole subjects of deliveries of a consumer. Those
        that it matches may be skipped: one message stands for some in a row, see RawMessage.
        """
        subscription = await self.subscribe(subject)
        sid = subscription._id
        self.chunked[sid] = skipping(receive, sid, skipped) if skipped else Chunked(receive)
        return subscription

    async def unsubscribe_chunks(self, subscription: Subscription) -> None:
        self.chunked.pop(subscription._id, None)
        await subscription.unsubscribe()

    async def publish_many(self, messages: Iterable[OutMessage]) -> None:
        """Publishes these messages, in order, with one write. Raises as `publish` does."""
        await self._write(b"".join(_written(message) for message in messages))

    async def request_many(self, messages: Sequence[OutMessage], timeout: float) -> list[RawMessage]:
        """Publishes these requests, in order, with one write. Returns the reply to each, in the same order.

        timeout: in seconds, for all of them. Raises TimeoutError, as `publish` does, and
        ConnectionReconnectingError if the connection ends meanwhile.
        """
        if self._replies is None:
            self._replies = asyncio.create_task(self._listen_for_replies())
        inbox = await asyncio.shield(self._replies)
        number = next(_numbers)
        requests = self._requests[number] = _Requests(len(messages))
        try:
            reply = f"{inbox}.{number}"
            await self._write(b"".join(_written(m, f"{reply}.{n}") for n, m in enumerate(messages)))
            async with asyncio.timeout(timeout):
                replies = await requests.all
        finally:
            del self._requests[number]
        if replies is None:
            raise ConnectionReconnectingError
        return replies

    def lose_replies(self) -> None:
        """Ends each `request_many` under way: the connection has ended, and no reply can arrive."""
        for requests in self._requests.values():
            requests.lost()

    async def _listen_for_replies(self) -> str:
        inbox = self.new_inbox()
        await self.subscribe_chunks(f"{inbox}.*.*", self._on_replies)
        return inbox

    def _on_replies(self, messages: list[RawMessage]) -> None:
        for message in messages:
            _, number, index = message.subject.rsplit(b".", 2)
            if (requests := self._requests.get(int(number))) is not None:
                requests.answered(int(index), message)

    async def _process_connect_init(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)  # a transport over a WebSocket has none
        if writer is not None:
            limit_silence(writer.transport)
        await super()._process_connect_init()

    async def _write(self, commands: bytes) -> None:
        if self.is_closed:
            raise ConnectionClosedError
        if not self.is_connected:
            raise ConnectionReconnectingError
        await self._send_command(commands)
        await self._flush_pending()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        chunked = self.chunked.get(sid)
        if chunked is None:
            await super()._process_msg(sid, subject, reply, data, headers or b"")
        else:
            chunked.receive([RawMessage(subject, reply, headers or b"", data)])


class _Requests:
    """Requests that were sent together, and the replies so far.

    all: done when every reply is there, or with None when one cannot arrive.
    """

    def __init__(self, count: int) -> None:
        self.all: asyncio.Future[list[RawMessage] | None] = asyncio.get_running_loop().create_future()
        self._replies: dict[int, RawMessage] = {}
        self._count = count

    def answered(self, index: int, reply: RawMessage) -> None:
        self._replies[index] = reply
        if len(self._replies) == self._count and not self.all.done():
            self.all.set_result([self._replies[n] for n in range(self._count)])

    def lost(self) -> None:
        if not self.all.done():
            self.all.set_result(None)


class _ChunkParser(Parser):
    """Parses the chunked messages at the front of the data, and leaves the rest to nats-py's parser."""

    def __init__(self, client: ChunkedClient) -> None:
        super().__init__(client)
        self._client = client

    async def parse(self, data: bytes = b"") -> None:
        if self._client.chunked and self.state == AWAITING_CONTROL_LINE:
            read = bytes(self.buf) + data if self.buf else data
            taken, whole = self._take_run(read)
            self.buf = bytearray(read[taken:])
            if not whole:
                return  # the next read brings the rest
            data = b""
        if self.buf or data:
            await super().parse(data)

    def _take_run(self, read: bytes) -> tuple[int, bool]:
        """Delivers the chunked messages at the front. Returns their length, and whether another kind follows.

        No other kind follows if the data ends, or ends within a chunked message.
        """
        front = self._client.front
        begin = 0 if front is None else front(read)
        run: list[RawMessage] = []
        receive: Receive | None = None
        other = False
        to: Chunked | None = None
        of = b""
        chunked, length = self._client.chunked, len(read)
        delivery, message = _DELIVERY.match, _MESSAGE.match
        while (line := delivery(read, begin) or message(read, begin)) is not None:
            subject, sid, reply, header_size, size = line.groups()
            if sid != of:
                to, of = chunked.get(int(sid)), sid
            if to is None:
                other = True
                break
            payload = line.end()
            end = payload + int(size)
            if end + 2 > length:
                break
            if to.receive is not receive:
                if receive is not None:
                    receive(run)
                run, receive = [], to.receive
            data = payload if header_size is None else payload + int(header_size)
            run.append(RawMessage(subject, reply or b"", read[payload:data], read[data:end]))
            begin = end + 2
            if to.skipped is not None:
                begin = _skip(to.skipped, read, begin, run)
        else:
            other = begin < length
        if receive is not None:
            receive(run)
        return begin, other


def _skip(match: _Match, read: bytes, begin: int, run: list[RawMessage]) -> int:
    """Adds one message for all those at the front that are skipped. Returns where the next one begins."""
    sizes: list[int] = []
    length, subject, reply = len(read), b"", b""
    while (line := match(read, begin)) is not None:
        next_subject, next_reply, size = line.groups()
        end = line.end() + int(size) + 2
        if end > length:
            break
        subject, reply, begin = next_subject, next_reply, end
        sizes.append(int(size) + len(subject) + len(reply))
    if sizes:
        run.append(RawMessage(subject, reply, b"", b"", tuple(sizes)))
    return begin


def _written(message: OutMessage, reply: str = "") -> bytes:
    subject, payload, headers = message
    if not headers:
        return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    sizes = f"{len(head)} {len(head) + len(payload)}"
    return f"HPUB {subject} {reply} {sizes}\r\n".encode() + head + payload + b"\r\n"


def headers_of(raw: bytes) -> dict[str, str]:
    """The headers of a message, without the first line, which has version and status."""
    pairs = (line.partition(":") for line in raw.decode().split("\r\n")[1:])
    return {name: value.strip() for name, colon, value in pairs if colon}


def status_of(raw: bytes) -> tuple[str, str]:
    """Status and description of a status message of the server: NATS/1.0 <status> <description>."""
    _, _, line = raw.decode().partition("\r\n")[0].partition(" ")
    status, _, description = line.strip().partition(" ")
    return status, description
