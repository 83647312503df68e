"""How a command ended, from the processor back to the process that waits for it.

The processor announces each outcome on the command's reply subject (core NATS: fast, and may be lost). Who
waits therefore also looks into Postgres, seldom at first and then less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from uuid import UUID

import msgspec
from nats.aio.subscription import Subscription

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.outcomes import events_of_outcome, outcome_of
from commander.eventstore.records import Outcome, RecordedEvent
from commander.streaming.nats.chunks import OutMessage, RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats

ENDED = "signals.ended"
_MAX_ANNOUNCEMENT_BYTES = 512 * 1024
_LOOK_AFTER_SECONDS = (0.5, 1.0, 2.0, 5.0)


class Ended(msgspec.Struct, frozen=True, gc=False):
    """How a command ended: its outcome with its events, or the conflict that kept it out.

    digest tells whether the outcome is of the same content as was submitted.
    """

    command_id: UUID
    digest: bytes
    status: str
    code: str | None
    message: str | None
    stream: str
    position: int
    version: int
    events: tuple[RecordedEvent, ...]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Ended, ...])


def outcome_signals(subject: str, outcomes: Sequence[Ended]) -> list[OutMessage]:
    """The messages that tell whoever waits under the subject, many outcomes in each; nobody may be waiting.

    An outcome whose events no message holds is not told: who waits finds it in Postgres.
    """
    payload = _encoder.encode(outcomes)
    if len(payload) <= _MAX_ANNOUNCEMENT_BYTES:
        return [OutMessage(subject, payload, {})]
    if len(outcomes) == 1:
        return []
    middle = len(outcomes) // 2
    return outcome_signals(subject, outcomes[:middle]) + outcome_signals(subject, outcomes[middle:])


def ended_signals(command_ids: Iterable[UUID]) -> list[OutMessage]:
    """The message that tells every process which commands have ended: their ids, 16 bytes each."""
    payload = b"".join([command_id.int.to_bytes(16, "big") for command_id in command_ids])
    return [OutMessage(ENDED, payload, {})] if payload else []


def ended_from(outcome: Outcome, events: Iterable[RecordedEvent]) -> Ended:
    return Ended(
        outcome.command_id,
        outcome.digest,
        outcome.status,
        outcome.code,
        outcome.message,
        outcome.stream,
        outcome.position,
        outcome.version,
        tuple(events),
    )


class OutcomeWaiter:
    """Waits for outcomes on a reply subject of this process's own."""

    def __init__(self, nats: Nats, database: Database) -> None:
        self._nats = nats
        self._database = database
        self._waiting: dict[UUID, list[asyncio.Future[Ended]]] = {}
        self._watching: dict[bytes, list[OutcomeWatch]] = {}
        self._listening: Subscription | None = None  # to what ends, while anybody watches
        self._listening_changes = asyncio.Lock()
        self.reply = nats.client.new_inbox()

    @property
    def waiting(self) -> int:
        """How many commands somebody waits for."""
        return len(self._waiting)

    async def start(self) -> None:
        with reaching_nats():
            await self._nats.client.subscribe_chunks(self.reply, self._on_announcements)

    def expect(self, command_id: UUID) -> Expected:
        """Begins to listen; call it before submitting, so that no announcement comes too early."""
        return Expected(self, command_id)

    def watch(self, command_id: UUID) -> OutcomeWatch:
        """Listens for the end of a command that anybody may have submitted."""
        return OutcomeWatch(self, command_id)

    async def look(self, command_id: UUID) -> Ended | None:
        """The outcome from Postgres, if there is one."""
        outcome = await outcome_of(self._database, command_id)
        if outcome is None:
            return None
        return ended_from(outcome, await events_of_outcome(self._database, outcome))

    def _on_announcements(self, messages: list[RawMessage]) -> None:
        for message in messages:
            for ended in _decoder.decode(message.data):
                for future in self._waiting.get(ended.command_id, ()):
                    if not future.done():
                        future.set_result(ended)

    def _on_ended(self, messages: list[RawMessage]) -> None:
        for message in messages:
            for begin in range(0, len(message.data), 16):
                for watch in self._watching.get(message.data[begin : begin + 16], ()):
                    watch.signal()

    async def _listen_if_watched(self) -> None:
        """Hears what ends while anybody watches. While NATS is away nothing is heard, and Postgres asked."""
        async with self._listening_changes:
            try:
                with reaching_nats():
                    if self._watching and self._listening is None:
                        self._listening = await self._nats.client.subscribe_chunks(ENDED, self._on_ended)
                    elif not self._watching and self._listening is not None:
                        listening, self._listening = self._listening, None
                        await self._nats.client.unsubscribe_chunks(listening)
            except Unavailable:
                pass


class OutcomeWatch:
    """Rings when a command has ended; a context manager, so that nothing is left behind."""

    def __init__(self, waiter: OutcomeWaiter, command_id: UUID) -> None:
        self._waiter = waiter
        self._key = command_id.bytes
        self._signalled = asyncio.Event()

    async def __aenter__(self) -> OutcomeWatch:
        self._waiter._watching.setdefault(self._key, []).append(self)
        await self._waiter._listen_if_watched()
        return self

    async def __aexit__(self, *_: object) -> None:
        watches = self._waiter._watching[self._key]
        watches.remove(self)
        if not watches:
            del self._waiter._watching[self._key]
        await self._waiter._listen_if_watched()

    def signal(self) -> None:
        self._signalled.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Returns when it has rung, or after the timeout: the signal may be lost, so look again then."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._signalled.wait()
        except TimeoutError:
            pass
        self._signalled.clear()


class Expected:
    """One wait for one command; a context manager, so that nothing is left behind."""

    def __init__(self, waiter: OutcomeWaiter, command_id: UUID) -> None:
        self._waiter = waiter
        self._command_id = command_id
        self._future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> Expected:
        self._waiter._waiting.setdefault(self._command_id, []).append(self._future)
        return self

    def __exit__(self, *_: object) -> None:
        futures = self._waiter._waiting[self._command_id]
        futures.remove(self._future)
        if not futures:
            del self._waiter._waiting[self._command_id]

    async def outcome(self, timeout_seconds: float) -> Ended | None:
        """How it ended; None when that is not known within the timeout. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        for look in count():
            pause = _LOOK_AFTER_SECONDS[min(look, len(_LOOK_AFTER_SECONDS) - 1)]
            remaining = deadline - loop.time()
            told, _ = await asyncio.wait((self._future,), timeout=min(pause, max(0, remaining)))
            if told:
                return self._future.result()
            found = await self._waiter.look(self._command_id)
            if found is not None or remaining <= pause:
                return found
        raise AssertionError("count() does not end")
