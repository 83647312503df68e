"""Signals on core NATS, from those who write to those who follow. Losing one costs a moment, never an event.

signals.log                   the events of one transaction, as it was committed; none: look into Postgres
signals.head                  the log's new head position, for those who need no more
signals.projection.<table>    the position a projection's table has reached
signals.tables                another table serves, or there is one more to fill
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

import msgspec
from nats.aio.subscription import Subscription

from commander.domain.errors import Unavailable
from eventstore.records import RecordedEvent
from streaming.bulk import OutMessage, RawMessage
from streaming.connection import Nats, reaching_nats

LOG = "signals.log"
HEAD = "signals.head"
TABLES = "signals.tables"
_MAX_BYTES = 512 * 1024
_MAX_EVENTS = 500

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[RecordedEvent])


def told_log(events: Sequence[RecordedEvent]) -> list[OutMessage]:
    """The messages that tell of these events, which are committed and follow one another."""
    messages = []
    for begin in range(0, len(events), _MAX_EVENTS):
        messages += _told(events[begin : begin + _MAX_EVENTS])
    if events:
        messages.append(OutMessage(HEAD, str(events[-1].position).encode(), {}))
    return messages


def _told(events: Sequence[RecordedEvent]) -> list[OutMessage]:
    payload = _encoder.encode(events)
    if len(payload) <= _MAX_BYTES:
        return [OutMessage(LOG, payload, {})]
    if len(events) == 1:
        return [OutMessage(LOG, _encoder.encode([]), {})]
    middle = len(events) // 2
    return _told(events[:middle]) + _told(events[middle:])


def told_projection(table_name: str, position: int) -> OutMessage:
    return OutMessage(f"signals.projection.{table_name}", str(position).encode(), {})


def told_tables() -> OutMessage:
    return OutMessage(TABLES, b"", {})


async def hear_log(nats: Nats, receive: Callable[[list[RecordedEvent]], None]) -> Subscription:
    """Calls back with the events of each transaction; they may have gaps, repeat, and come out of order.

    An empty list says that it has grown. Raises Unavailable.
    """

    def on_messages(messages: Iterable[RawMessage]) -> None:
        for message in messages:
            receive(_decoder.decode(message.data))

    with reaching_nats():
        return await nats.client.subscribe_bulk(LOG, on_messages)


async def stop_hearing(nats: Nats, subscription: Subscription) -> None:
    """Ends what `hear_log` began; does nothing while NATS is away."""
    try:
        with reaching_nats():
            if nats.connected:
                await nats.client.unsubscribe_bulk(subscription)
    except Unavailable:
        pass


class Bell:
    """Rings when a subject is signalled; whoever waits wakes early, and in any case after the timeout."""

    def __init__(self, nats: Nats, subject: str) -> None:
        self._nats = nats
        self._subject = subject
        self._rung = asyncio.Event()
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Bell:
        with reaching_nats():
            self._subscription = await self._nats.client.subscribe_bulk(self._subject, self._ring)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._subscription is not None:
            await stop_hearing(self._nats, self._subscription)

    async def wait(self, timeout_seconds: float) -> None:
        """Returns when rung since the last wait, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()

    def _ring(self, _: list[RawMessage]) -> None:
        self._rung.set()
