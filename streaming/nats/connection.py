"""One NATS connection per process, and the errors that mean that NATS cannot be reached or cannot work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

import nats
import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.circuits import Circuit
from commander.eventstore.database import without_password
from commander.streaming.nats.chunks import ChunkedClient, OutMessage
from commander.streaming.nats.clock import Clock
from commander.streaming.nats.names import Names

logger = logging.getLogger("commander.nats")

_PING_SECONDS = 2
_PINGS = 2
"""A server that has not answered so many pings is lost when the next one is due."""

_CANNOT_REACH = (
    OSError,
    TimeoutError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.NoRespondersError,
    nats.errors.NoServersError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    nats.errors.TimeoutError,
    nats.js.errors.NoStreamResponseError,
    nats.js.errors.ServerError,  # it cannot write to its disk, for example
    nats.js.errors.ServiceUnavailableError,
)
_FULL_CODES = {10023, 10047}  # insufficient resources, insufficient storage
_FROM_SERVER = (
    nats.errors.Error,
    nats.errors.AuthorizationError,
)  # exactly these: subclasses are the client's


def is_full(error: nats.js.errors.APIError) -> bool:
    """Whether the error says that the server's disk is full, or that it has stored as much as it may."""
    return full_disk(error.err_code, error.description)


def full_disk(code: int | None, description: str | None) -> bool:
    """As `is_full`, for the code and the description of an error of JetStream."""
    return code in _FULL_CODES or "no space left" in (description or "")


@contextmanager
def reaching_nats() -> Iterator[None]:
    """Turns connection errors of the client and the system into Unavailable. Other errors pass unchanged.

    The client (nats-py 2.16) swallows a cancellation during a flush, and the task would run on for ever. So a
    task that was cancelled inside the block is cancelled again at its end.
    """
    try:
        yield
    except _CANNOT_REACH as error:
        trouble = Trouble.FULL if isinstance(error, nats.js.errors.APIError) and is_full(error) else None
        raise Unavailable("NATS", str(error) or type(error).__name__, trouble) from error
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


_is_comparing: ContextVar[bool] = ContextVar("is_comparing", default=False)
"""Whether this task compares Postgres and NATS. Its own requests must not wait for the comparison."""


class Nats:
    """A connection of a system that reconnects by itself. connected: whether it is established now.

    circuit: what is known of the server; without `watch_nats`, whether it is connected.
    """

    def __init__(self, url: str, names: Names | None = None) -> None:
        self._names = names
        self.servers = [server.strip() for server in url.split(",")]
        self.client = ChunkedClient()
        self.clock = Clock()
        self._on_reconnect: set[Callable[[], None]] = set()
        self._compare: Callable[[], Awaitable[None]] | None = None
        self._doubts = 0  # how often something made a comparison necessary
        self._compared = 0  # the doubts that the last comparison has settled
        self._comparing = asyncio.Lock()
        self._logged = ""
        self.circuit = Circuit("NATS", logger)

    @property
    def names(self) -> Names:
        """The names of the system's streams and subjects."""
        assert self._names is not None, "the identity of the system is read before anything is published"
        return self._names

    @property
    def has_names(self) -> bool:
        """Whether the names are known."""
        return self._names is not None

    def use(self, names: Names) -> None:
        """Sets the names, which are known once Postgres has answered."""
        self._names = names

    @property
    def shown_url(self) -> str:
        """The URLs without passwords."""
        return ",".join(without_password(server) for server in self.servers)

    @property
    def connected(self) -> bool:
        return self.client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        return self.client.jetstream(timeout=5)

    async def connect(self, name: str, retry_seconds: float = 1) -> None:
        """Returns when connected. Until then it retries, and logs the URL and each new reason."""
        logged = ""
        while (reason := await self._unreachable()) is not None:
            if reason != logged:
                logger.warning("cannot reach NATS at %s: %s; retrying", self.shown_url, reason)
                logged = reason
            await asyncio.sleep(retry_seconds)
        await self.client.connect(
            servers=self.servers,
            name=name,
            connect_timeout=2,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds; fractions work
            max_reconnect_attempts=-1,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=_PINGS,
            pending_size=64 * 1024 * 1024,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
        )
        self.circuit.close()

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` after each reconnection. Returns a function that stops this."""
        self._on_reconnect.add(callback)
        return lambda: self._on_reconnect.discard(callback)

    def compare_first(self, compare: Callable[[], Awaitable[None]]) -> None:
        """Calls `compare` before the next request, at once and after each `doubt` and reconnection.

        Until it returns, no request is sent except its own. Whatever it raises, each request raises.
        """
        self._compare = compare
        self.doubt()

    def doubt(self) -> None:
        """Says that Postgres or NATS may be another server than before, or the same one set back."""
        self._doubts += 1

    def must_be_connected(self) -> None:
        """Raises Unavailable at once while the connection is down, or the server is silent."""
        if not self.connected:
            self.is_down()
        self.circuit.must_answer()

    def is_down(self) -> None:
        """Notes that there is no connection. One that was silent before is still said to be silent."""
        if self.circuit.unreachable is None:
            self.circuit.open(Trouble.AWAY, f"the connection to {self.shown_url} is down")

    @asynccontextmanager
    async def answering(self, *, writes: bool = False) -> AsyncIterator[None]:
        """Ends a block that waits for a reply with Unavailable as soon as the server is lost or silent.

        No reply can arrive after that, but the client would wait for its timeout. writes: whether the block
        stores messages; then a full server ends it too. Notes a server that is full.
        """
        self.must_be_connected()
        if self._compared != self._doubts and self._compare is not None and not _is_comparing.get():
            await self._settle(self._compare)
        try:
            with reaching_nats():
                async with self.circuit.answering(writes=writes):
                    yield
        except Unavailable as error:
            self.circuit.note(error)
            raise

    async def _settle(self, compare: Callable[[], Awaitable[None]]) -> None:
        async with self._comparing:
            while self._compared != self._doubts:
                doubts = self._doubts
                token = _is_comparing.set(True)
                try:
                    await compare()
                finally:
                    _is_comparing.reset(token)
                self._compared = doubts

    async def publish_signals(self, messages: Sequence[OutMessage]) -> None:
        """Publishes on core NATS, at most once: only for signals, which may be lost.

        Does nothing while the connection is down. Raises Unavailable.
        """
        if messages and self.connected and self.circuit.unreachable is None:
            with reaching_nats():
                await self.client.publish_many(messages)

    async def close(self) -> None:
        """Closes the connection."""
        if self.client.is_connected or self.client.is_reconnecting:
            await self.client.close()

    async def _unreachable(self) -> str | None:
        reason = "no server given"
        for server in self.servers:
            parts = urlsplit(server if "://" in server else f"nats://{server}")
            try:
                async with asyncio.timeout(2):
                    _, writer = await asyncio.open_connection(parts.hostname, parts.port or 4222)
                writer.close()
                return None
            except (OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
        return reason

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            logger.error("a subscription is too slow, messages were dropped: %s", error)
        elif type(error) in _FROM_SERVER and str(error) != self._logged:
            self._logged = str(error)
            logger.warning("NATS at %s reports an error: %s", self.shown_url, error)
        else:
            logger.debug("%s", error or type(error).__name__)

    async def _on_disconnected(self) -> None:
        if not self.client.is_closed:
            self.is_down()
        self.client.lose_replies()

    async def _on_reconnected(self) -> None:
        self._logged = ""
        self.circuit.close()
        self.doubt()
        for callback in list(self._on_reconnect):
            callback()
