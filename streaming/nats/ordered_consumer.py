"""Reads a stream in order, without gaps or repeats, from a sequence on.

The reader keeps its own position, in Postgres or in memory. So the consumer on the server is disposable: it
is ephemeral, in memory, and without acknowledgements. It numbers its deliveries. After a missing number, a
lost connection or a silent server, the reader creates a new consumer after the last message that it has read.

    stopped ─► reading ─► broken ─► reading …       (next_batch repairs a broken one)
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from uuid import uuid4

from nats.aio.subscription import Subscription
from nats.js import api
from nats.js.errors import NotFoundError

from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.batches import BATCH_BYTES
from commander.streaming.nats.chunks import InMessage, RawMessage, headers_of, status_of
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.open_requests import OpenRequests

logger = logging.getLogger("commander.nats")

_HEARTBEAT_SECONDS = 1.0
_SILENCE_SECONDS = 3 * _HEARTBEAT_SECONDS
_GRACE_SECONDS = 0.25  # how long a call waits at least before it calls the server silent
_EXPIRES_SECONDS = 30.0
_INACTIVE_SECONDS = 60.0
_CAPACITY_BYTES = 4 * BATCH_BYTES
"""The maximum that is requested and not taken yet. The server ends a connection that is 64 MiB behind."""
_NO_MORE_FIT = "Message Size Exceeds MaxBytes"  # the end of a request whose bytes are used up
_COMPLETED = "Batch Completed"  # after the last message of a request


class StreamReplaced(CommanderError):
    """The stream was deleted and created again since this reader began, so its sequences are different."""


class OrderedConsumer:
    """A reader of one stream, for one task. A context manager.

    subjects: the subjects to read; an empty list means all. after: the sequence before the first message.
    capacity: the maximum of messages that are requested and not taken yet; their bytes are bounded too.
    weigh: a function from a message's subject to the part of a batch's limit that the message takes.
    skipped: a regular expression of subjects that the caller does not need. Of such messages in a row it gets
    at most the last one, without headers and data: its sequence tells how far the stream is read.
    """

    def __init__(
        self,
        nats: Nats,
        stream: str,
        subjects: list[str],
        after: int,
        *,
        capacity: int = 5000,
        weigh: Callable[[str], int] | None = None,
        skipped: str = "",
    ) -> None:
        self._nats = nats
        self._stream = stream
        self._subjects = subjects
        self._capacity = capacity
        self._weigh = weigh
        self._skipped = skipped
        self._last = after
        self._created: datetime | None = None
        self._consumer = ""
        self._subscription: Subscription | None = None
        self._buffer: deque[InMessage] = deque()
        self._buffered_bytes = 0
        self._requests = OpenRequests()
        self._delivered = 0  # the consumer's number of the last message
        self._pending: int | bytes = 0  # messages on the server behind the last one that has arrived
        self._active_at = 0.0  # when the last message or heartbeat arrived
        self._broken = "not started"
        self._arrived = asyncio.Event()
        self._unregister = nats.on_reconnect(lambda: self._break("the connection was lost"))

    @property
    def stream_created(self) -> datetime:
        """When the stream that is read was created."""
        assert self._created is not None, "it is known after the start"
        return self._created

    @property
    def waiting(self) -> int:
        """How many messages are not read yet, as far as the server has told: it tells with each message."""
        return len(self._buffer) + int(self._pending)

    async def __aenter__(self) -> OrderedConsumer:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unregister()
        await self._delete_consumer()

    async def next_batch(self, limit: int, timeout_seconds: float) -> list[InMessage]:
        """The next messages, up to a weight of `limit` and about BATCH_BYTES, or one heavier message.

        Empty after the timeout.

        Raises Unavailable if NATS cannot be reached. The next call continues without loss. Raises
        StreamReplaced, and AnotherSystem if the stream is now of another system.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            if self._buffer:
                batch = self._take(limit)
                await self._request()
                return batch
            if self._broken:
                await self._start()
            await self._request()
            self._arrived.clear()
            if loop.time() >= deadline:
                return []
            # The silence is counted over calls. The grace is for what came while this process did not run.
            silent_at = max(self._active_at + _SILENCE_SECONDS, min(loop.time() + _GRACE_SECONDS, deadline))
            try:
                async with asyncio.timeout_at(min(deadline, silent_at)):
                    await self._arrived.wait()
            except TimeoutError:
                if loop.time() >= silent_at or not self._nats.connected:
                    self._break("the server is silent")

    def _take(self, limit: int) -> list[InMessage]:
        if self._weigh is None and limit >= len(self._buffer) and self._buffered_bytes <= BATCH_BYTES:
            taken, self._buffer, self._buffered_bytes = list(self._buffer), deque(), 0
            return taken
        taken, weigh, weight, size = [], self._weigh, 0, 0
        while self._buffer and size < BATCH_BYTES:
            message = self._buffer[0]
            weight += 1 if weigh is None else weigh(message.subject)
            if taken and weight > limit:
                break
            taken.append(self._buffer.popleft())
            size += len(message.data)
        self._buffered_bytes -= size
        return taken

    async def _start(self) -> None:
        """Creates a consumer that begins after the last message read."""
        await self._delete_consumer()
        self._broken, reason = "", self._broken  # a connection that is lost meanwhile breaks it again
        try:
            async with self._nats.answering():
                try:
                    await self._create_consumer()
                except NotFoundError as error:
                    raise Unavailable("NATS", f"the stream {self._stream} does not exist") from error
        except BaseException:
            self._broken = reason
            raise

    async def _create_consumer(self) -> None:
        info = await self._nats.jetstream.stream_info(self._stream)
        self._nats.names.must_own(info)
        if self._created is not None and info.created != self._created:
            raise StreamReplaced(f"the stream {self._stream} was replaced")
        self._created = info.created
        self._consumer = f"pull-{uuid4().hex}"
        self._delivered = 0
        self._requests.clear()
        inbox = self._nats.client.new_inbox()
        self._subscription = await self._nats.client.subscribe_chunks(inbox, self._receiver(), self._skipped)
        made = await self._nats.jetstream.add_consumer(
            self._stream, consumer_config(self._consumer, self._last, self._subjects)
        )
        self._pending = made.num_pending or 0

    async def _delete_consumer(self) -> None:
        """Deletes the consumer. If the server is unreachable, it deletes an inactive consumer by itself."""
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        try:
            with reaching_nats():
                await self._nats.client.unsubscribe_chunks(subscription)
            async with self._nats.answering():
                await self._nats.jetstream.delete_consumer(self._stream, self._consumer)
        except (Unavailable, NotFoundError):
            pass

    async def _request(self) -> None:
        """Requests more, once half of the capacity is free in messages and in bytes."""
        if self._broken or self._subscription is None:
            return
        wanted = self._capacity - len(self._buffer) - self._requests.messages
        size = _CAPACITY_BYTES - self._buffered_bytes - self._requests.bytes
        if wanted < self._capacity // 2 or size < _CAPACITY_BYTES // 2:
            return
        size = max(size, 2 * self._nats.client.max_payload)  # the largest message must fit into a request
        request = {
            "batch": wanted,
            "max_bytes": size,
            "expires": int(_EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * 1e9),
        }
        if not self._requests:  # without a request the server sends nothing, no heartbeat either
            self._active_at = asyncio.get_running_loop().time()
        self._requests.add(wanted, size)
        with reaching_nats():
            await self._nats.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                json.dumps(request).encode(),
                reply=self._subscription.subject,
            )

    def _receiver(self) -> Callable[[list[RawMessage]], None]:
        """The callback for the current consumer. It ignores messages once there is a newer consumer."""
        consumer = self._consumer

        def receive(messages: list[RawMessage]) -> None:
            skipped: RawMessage | None = None  # the next message tells more, if there is one
            for message in messages:
                if self._broken or consumer != self._consumer:
                    return
                if message.reply and not message.skipped:
                    self._on_delivery(message, () if skipped is None else skipped.skipped)
                    skipped = None
                    continue
                if skipped is not None:
                    self._on_delivery(skipped, skipped.skipped)
                skipped = message if message.skipped else None
                if skipped is None:
                    self._on_status(message.headers)
            if skipped is not None:
                self._on_delivery(skipped, skipped.skipped)
            self._active_at = asyncio.get_running_loop().time()
            self._arrived.set()

        return receive

    def _on_delivery(self, message: RawMessage, skipped: tuple[int, ...]) -> None:
        """skipped: the sizes of the messages right before it, or of those that it stands for."""
        # $JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<delivered>.<time>.<pending>. There may be more
        # tokens after ACK and one at the end. The stream's name has no dot.
        tokens = message.reply.split(b".")
        base = 2 if len(tokens) == 9 else 4
        sequence, delivered = int(tokens[base + 3]), int(tokens[base + 4])
        sizes = skipped
        if not message.skipped:
            sizes += (len(message.data) + len(message.headers) + len(message.subject) + len(message.reply),)
        if delivered != self._delivered + len(sizes):
            self._break(f"message {self._delivered + 1} was lost")
            return
        self._delivered = delivered
        self._buffered_bytes += len(message.data)
        for size in sizes:
            self._requests.answered(size)
        self._last = sequence
        self._pending = tokens[base + 6]  # parsed only when asked for
        self._buffer.append(InMessage(sequence, message.subject.decode(), message.data, message.headers))

    def _on_status(self, raw: bytes) -> None:
        status, description = status_of(raw)
        if status == "100":
            if int(headers_of(raw).get("Nats-Last-Consumer", self._delivered)) != self._delivered:
                self._break("a message was lost")
        elif status in ("404", "408") or (status == "409" and description == _NO_MORE_FIT):
            self._requests.ended()
        elif status != "409" or description != _COMPLETED:
            self._break(f"{status} {description}")

    def _break(self, reason: str) -> None:
        if not self._broken:
            logger.debug("reading %s with a new consumer after %d: %s", self._stream, self._last, reason)
        self._broken = reason
        self._arrived.set()


def consumer_config(name: str, after: int, subjects: Sequence[str] = ()) -> api.ConsumerConfig:
    """An ephemeral consumer of what is after a sequence. It keeps nothing on disk and wants no answers."""
    return api.ConsumerConfig(
        name=name,
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        ack_policy=api.AckPolicy.NONE,
        filter_subjects=list(subjects) or None,
        inactive_threshold=_INACTIVE_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )
