"""Compares EVENTS with the log as the bytes that come over the connection, many messages at once.

What the server sends for an event is known but for the time and the numbers of the delivery. So the rest of
many messages is compared with what the log says of them, in one comparison, and no message is parsed. This
only tells how far both are alike: what differs, expected.py and mirror.py look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from types import TracebackType
from uuid import uuid4

from nats.aio.subscription import Subscription
from nats.js.errors import NotFoundError

from commander.domain.errors import Unavailable
from commander.eventstore.audit.copying import copied
from commander.eventstore.audit.findings import Show
from commander.eventstore.database import Database
from commander.streaming.audit.expected import COLUMNS, published_bytes, selects_between
from commander.streaming.nats.chunks import RawMessage, status_of
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.ordered_consumer import consumer_config

_WAIT_SECONDS = 10.0
_EXPIRES_SECONDS = 60.0
_PAGES = 2
"""How many pages are awaited at most: what the server sends stays in bounds."""
_COMPLETED = "Batch Completed"
_LINE = b"HMSG "


async def alike_up_to(nats: Nats, database: Database, after: int, end: int, show: Show) -> int:
    """How far each message after `after` is its event, byte for byte, without a gap; at most `end`.

    It is `after` or a position before the first difference, and not always the last one before it. Raises
    Unavailable.
    """
    async with (
        _Comparing(nats, after) as comparing,
        aclosing(copied(database, selects_between(after, end), COLUMNS)) as log,
    ):
        async for columns in log:
            first, last, count = int(columns[0][0]), int(columns[0][-1]), len(columns[0])
            epochs = {nats.names.epoch_at(first), nats.names.epoch_at(last)}
            if first != comparing.expected + 1 or last - first + 1 != count or len(epochs) > 1:
                break
            await comparing.expect(count, published_bytes(nats.names, columns))
            if comparing.stopped:
                break
            show(comparing.position, end)
        await comparing.until(0)
    return comparing.position


class _Comparing:
    """Compares the messages of EVENTS after a position with what is expected. A context manager.

    position: up to where they are alike. expected: up to where it is known what must come. stopped: they
    differ after `position`, or no more comes.
    """

    def __init__(self, nats: Nats, after: int) -> None:
        self._nats = nats
        self._stream = nats.names.events
        self._consumer = f"pull-{uuid4().hex}"
        self._subscription: Subscription | None = None
        self._begin = after
        self._bytes = b""
        self._offset = 0  # in these bytes: where the next message begins
        self._delimiter = b""  # between a message's subject and the numbers of its delivery
        self._awaited = 0  # with so few to come, there has been enough
        self._enough = asyncio.Event()
        self.position = self.expected = after
        self.stopped = False

    async def __aenter__(self) -> _Comparing:
        client = self._nats.client
        async with self._nats.answering():
            self._subscription = await client.subscribe_chunks(client.new_inbox(), self._receive)
            client.front = self._take
            try:
                config = consumer_config(self._consumer, self._begin)
                await self._nats.jetstream.add_consumer(self._stream, config)
            except NotFoundError:
                self.stopped = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped = True
        if self._nats.client.front == self._take:
            self._nats.client.front = None
        try:
            if self._subscription is not None:
                with reaching_nats():
                    await self._nats.client.unsubscribe_chunks(self._subscription)
            async with self._nats.answering():
                await self._nats.jetstream.delete_consumer(self._stream, self._consumer)
        except (Unavailable, NotFoundError):
            pass  # the server deletes a consumer that nobody reads from

    async def expect(self, count: int, published: bytes) -> None:
        """Asks for the next messages, which must be these bytes. Waits until few are awaited."""
        if self.stopped:
            return
        self._bytes = self._bytes[self._offset :] + published
        self._offset = 0
        self.expected += count
        request = f'{{"batch": {count}, "expires": {_EXPIRES_SECONDS * 1e9:.0f}}}'
        assert self._subscription is not None, "it is subscribed in __aenter__"
        with reaching_nats():
            await self._nats.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                request.encode(),
                reply=self._subscription.subject,
            )
        await self.until((_PAGES - 1) * count)

    async def until(self, awaited: int) -> None:
        """Waits until at most so many messages are to come, or it has stopped."""
        if self.stopped or self.expected - self.position <= awaited:
            return
        self._awaited = awaited
        self._enough.clear()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._enough.wait()
        except TimeoutError:
            self.stopped = True

    def _take(self, read: bytes) -> int:
        """Takes all whole messages at the front, if all of them are as expected; otherwise none."""
        if self.stopped or not self._delimiter:
            return 0
        parts = read.split(self._delimiter)
        count = len(parts) - 1
        if not count or not self._are_next(parts, count):
            return 0
        numbers, _, rest = parts[-1].partition(b"\r\n")
        pieces = [parts[0], *[part.partition(b"\r\n")[2] for part in parts[1:-1]]]
        size = numbers.rpartition(b" ")[2]
        whole = size.isdigit() and len(rest) >= int(size) + 2
        if whole:
            pieces.append(rest[: int(size) + 2])
        found = b"".join(pieces)
        if not self._bytes.startswith(found, self._offset):
            return 0
        if whole:
            self._advance(count, len(found))
            return len(read) - len(rest) + int(size) + 2
        begun = len(pieces[-1]) - pieces[-1].rindex(_LINE)  # the line of the last one, which is not whole
        if count > 1:
            self._advance(count - 1, len(found) - begun)
        return len(read) - len(parts[-1]) - len(self._delimiter) - begun

    def _are_next(self, parts: list[bytes], count: int) -> bool:
        """Whether the first and the last of these have the numbers that come next.

        They come in order, so those between have theirs too.
        """
        return parts[1].startswith(self._numbers(1)) and (
            count == 1 or parts[-1].startswith(self._numbers(count))
        )

    def _numbers(self, index: int) -> bytes:
        """The sequence and the number of the delivery of the index-th message that comes next, with dots."""
        sequence = self.position + index
        return b"%d.%d." % (sequence, sequence - self._begin)

    def _receive(self, messages: Iterable[RawMessage]) -> None:
        """What was not taken: the first messages, those beside one of another kind, and what differs."""
        for message in messages:
            if self.stopped:
                return
            if not message.reply:
                self._on_status(message)
                continue
            numbers = b"." + self._numbers(1)
            prefix, found, _ = message.reply.partition(b".1" + numbers)
            piece = b"".join((_LINE, message.subject, message.headers, message.data, b"\r\n"))
            if not found or not self._bytes.startswith(piece, self._offset):
                self._stop()
                return
            if not self._delimiter and self._subscription is not None:
                self._delimiter = b" %d %s.1." % (self._subscription._id, prefix)
            self._advance(1, len(piece))

    def _on_status(self, message: RawMessage) -> None:
        status, description = status_of(message.headers)
        if status != "100" and (status, description) != ("409", _COMPLETED):
            self._stop()

    def _advance(self, count: int, size: int) -> None:
        self.position += count
        self._offset += size
        if self.expected - self.position <= self._awaited:
            self._enough.set()

    def _stop(self) -> None:
        self.stopped = True
        self._enough.set()
