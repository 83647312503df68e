"""Signals on core NATS, from writers to readers. A lost signal costs a moment, never an event.

Their subjects begin with the name of the system: <system>.signals.log.

signals.log                   the events of one committed transaction; an empty list means: read Postgres
signals.head                  the new head of the log, for readers that need only the position
signals.projection.<table>    the new checkpoint of a projection's table
signals.stopped               a projection has stopped before an event; Postgres has which one and why
signals.tables                another table serves, or there is a new one to fill
signals.outages               a server that takes no writes, see outages.py
signals.ended                 the ids of decided commands, see outcomes.py
signals.watched               somebody watches the system: each API process answers
signals.figures               its answer, see system/api_processes.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from weakref import WeakKeyDictionary

import msgspec
from nats.aio.subscription import Subscription

from commander.domain.errors import Unavailable
from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.chunks import ChunkedClient, OutMessage, RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.names import Names

LOG = "log"
HEAD = "head"
TABLES = "tables"
PROJECTIONS = "projection"
STOPPED = "stopped"
WATCHED = "watched"
FIGURES = "figures"
_MAX_BYTES = 512 * 1024
_MAX_EVENTS = 500

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[RecordedEvent])

LogListener = Callable[[list[RecordedEvent]], None]


def signal_subject(names: Names, *tokens: str) -> str:
    """The subject of a signal, such as <system>.signals.log."""
    return f"{names.prefix}signals.{'.'.join(tokens)}"


def log_signals(names: Names, events: Sequence[RecordedEvent]) -> list[OutMessage]:
    """The signals for these events, which are committed and have adjacent positions."""
    messages, subject = [], signal_subject(names, LOG)
    for begin in range(0, len(events), _MAX_EVENTS):
        messages += _signals(subject, events[begin : begin + _MAX_EVENTS])
    if events:
        messages.append(OutMessage(signal_subject(names, HEAD), str(events[-1].position).encode(), {}))
    return messages


def _signals(subject: str, events: Sequence[RecordedEvent]) -> list[OutMessage]:
    payload = _encoder.encode(events)
    if len(payload) <= _MAX_BYTES:
        return [OutMessage(subject, payload, {})]
    if len(events) == 1:
        return [OutMessage(subject, _encoder.encode([]), {})]
    middle = len(events) // 2
    return _signals(subject, events[:middle]) + _signals(subject, events[middle:])


def projection_signal(names: Names, table_name: str, position: int) -> OutMessage:
    """The signal that a projection's table has reached a position."""
    return OutMessage(signal_subject(names, PROJECTIONS, table_name), str(position).encode(), {})


def stopped_signal(names: Names) -> OutMessage:
    """The signal that a projection has stopped before an event."""
    return OutMessage(signal_subject(names, STOPPED), b"", {})


def tables_signal(names: Names) -> OutMessage:
    """The signal that another table serves, or that there is a new one."""
    return OutMessage(signal_subject(names, TABLES), b"", {})


async def listen_to_log(nats: Nats, receive: LogListener) -> Callable[[], Awaitable[None]]:
    """Calls `receive` with the events of each transaction. They may have gaps, repeats and another order.

    An empty list means that the log has grown. Returns a function that stops listening. Raises Unavailable.
    """

    subscription = _subscriptions.setdefault(nats, _LogSubscription(nats))
    await subscription.add(receive)
    return lambda: subscription.remove(receive)


class _LogSubscription:
    """The one subscription to the log of a process. All listeners share it and its decoded events."""

    def __init__(self, nats: Nats) -> None:
        self._client = nats.client
        self._subject = signal_subject(nats.names, LOG)
        self._receivers: list[LogListener] = []
        self._subscription: Subscription | None = None
        self._changing = asyncio.Lock()

    async def add(self, receive: LogListener) -> None:
        self._receivers.append(receive)
        try:
            async with self._changing:
                if self._subscription is None:
                    with reaching_nats():
                        self._subscription = await self._client.subscribe_chunks(
                            self._subject, self._on_messages
                        )
        except BaseException:
            self._receivers.remove(receive)
            raise

    async def remove(self, receive: LogListener) -> None:
        self._receivers.remove(receive)
        async with self._changing:
            if not self._receivers and self._subscription is not None:
                subscription, self._subscription = self._subscription, None
                await _unsubscribe(self._client, subscription)

    def _on_messages(self, messages: Iterable[RawMessage]) -> None:
        for message in messages:
            events = _decoder.decode(message.data)
            for receive in self._receivers:
                receive(events)


_subscriptions: WeakKeyDictionary[Nats, _LogSubscription] = WeakKeyDictionary()


async def _unsubscribe(client: ChunkedClient, subscription: Subscription) -> None:
    """Unsubscribes. It does nothing while NATS is unreachable."""
    try:
        with reaching_nats():
            if client.is_connected:
                await client.unsubscribe_chunks(subscription)
    except Unavailable:
        pass


class SignalListener:
    """Listens to a kind of signal. `wait` returns at one, or after its timeout. A context manager.

    receive: is called with the data of each.
    """

    def __init__(self, nats: Nats, kind: str, receive: Callable[[bytes], None] | None = None) -> None:
        self._nats = nats
        self._receive = receive
        self._subject = signal_subject(nats.names, kind)
        self._signalled = asyncio.Event()
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> SignalListener:
        with reaching_nats():
            self._subscription = await self._nats.client.subscribe_chunks(self._subject, self._on_signal)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._subscription is not None:
            await _unsubscribe(self._nats.client, self._subscription)

    async def wait(self, timeout_seconds: float) -> None:
        """Returns if a signal has arrived since the last wait, at the next signal, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._signalled.wait()
        except TimeoutError:
            pass
        self._signalled.clear()

    async def signalled(self) -> None:
        """Returns if a signal has arrived since the last wait, or at the next signal."""
        await self._signalled.wait()
        self._signalled.clear()

    def _on_signal(self, messages: list[RawMessage]) -> None:
        self._signalled.set()
        if self._receive is not None:
            for message in messages:
                self._receive(message.data)
