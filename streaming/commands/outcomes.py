"""Outcomes, from the processor back to the process that waits for them.

The processor publishes each outcome on the command's reply subject. Core NATS is fast, but a message may be
lost. So a waiting process also polls Postgres, with growing pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from uuid import UUID

import msgspec
from nats.aio.subscription import Subscription

from commander.domain.errors import Unavailable
from commander.eventstore.circuits import Outage
from commander.eventstore.database import Database
from commander.eventstore.records import Outcome, RecordedEvent, SubmittedCommand
from commander.streaming.commands.outcome_look_ups import OutcomeLookUps
from commander.streaming.nats.chunks import OutMessage, RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.names import Names
from commander.streaming.nats.signals import signal_subject

ENDED = "ended"
_MAX_ANNOUNCEMENT_BYTES = 512 * 1024
_POLL_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0)


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a command, with its events.

    digest: shows whether the decided command has the same content as the submitted one.
    sender: shows whether it is of the same sender, see `sender_of`.
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
    sender: str | None = None


def sender_of(command: SubmittedCommand) -> str | None:
    """The subject that sent a command; "" if nobody was signed in, None if no rule holds for the command."""
    return None if command.sender is None else command.sender.subject or ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Ended, ...])


def outcome_signals(subject: str, outcomes: Sequence[Ended]) -> list[OutMessage]:
    """The messages with these outcomes for the process that waits under the subject, many in each message.

    An outcome whose events are too large for a message is left out. The waiting process finds it in Postgres.
    """
    payload = _encoder.encode(outcomes)
    if len(payload) <= _MAX_ANNOUNCEMENT_BYTES:
        return [OutMessage(subject, payload, {})]
    if len(outcomes) == 1:
        return []
    middle = len(outcomes) // 2
    return outcome_signals(subject, outcomes[:middle]) + outcome_signals(subject, outcomes[middle:])


def ended_signals(names: Names, command_ids: Iterable[UUID]) -> list[OutMessage]:
    """The message for all processes with the ids of decided commands, 16 bytes each."""
    payload = b"".join([command_id.int.to_bytes(16, "big") for command_id in command_ids])
    return [OutMessage(signal_subject(names, ENDED), payload, {})] if payload else []


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
        None if (sender := outcome.read_guards().sender) is None else sender.subject or "",
    )


class OutcomeWaiter:
    """Waits for outcomes on the reply subject of this process."""

    def __init__(self, nats: Nats, database: Database) -> None:
        self._nats = nats
        self._database = database
        self._look_ups = OutcomeLookUps(database)
        self._waiting: dict[UUID, list[asyncio.Future[Ended]]] = {}
        self._watching: dict[bytes, list[OutcomeWatch]] = {}
        self._listening: Subscription | None = None  # to ENDED, while there is a watch
        self._listening_changes = asyncio.Lock()
        self.reply = nats.client.new_inbox()

    @property
    def waiting(self) -> int:
        """How many commands are waited for."""
        return len(self._waiting)

    async def start(self) -> None:
        """Subscribes to the reply subject. Raises Unavailable."""
        with reaching_nats():
            await self._nats.client.subscribe_chunks(self.reply, self._on_announcements)
        self._database.circuit.on_open(self._on_outage)

    def expect(self, command_id: UUID) -> Expected:
        """Starts to listen. Call it before the command is submitted, so that no outcome is missed."""
        return Expected(self, command_id)

    def watch(self, command_id: UUID) -> OutcomeWatch:
        """Listens for the outcome of a command that any process may have submitted."""
        return OutcomeWatch(self, command_id)

    async def look_up(self, command_id: UUID) -> Ended | None:
        """The outcome in Postgres; None if there is none yet. Raises Unavailable."""
        known = await self._look_ups.of(command_id)
        return None if known is None else ended_from(*known)

    def _on_announcements(self, messages: list[RawMessage]) -> None:
        for message in messages:
            for ended in _decoder.decode(message.data):
                for future in self._waiting.get(ended.command_id, ()):
                    if not future.done():
                        future.set_result(ended)

    def _on_outage(self, outage: Outage) -> None:
        """Nothing can be decided now: nobody waits for it."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(self._database.circuit.unavailable(outage))

    def _on_ended(self, messages: list[RawMessage]) -> None:
        for message in messages:
            for begin in range(0, len(message.data), 16):
                for watch in self._watching.get(message.data[begin : begin + 16], ()):
                    watch.signal()

    async def _listen_if_watched(self) -> None:
        """Subscribes while there is a watch. While NATS is unreachable, watches rely on polling Postgres."""
        async with self._listening_changes:
            try:
                with reaching_nats():
                    if self._watching and self._listening is None:
                        subject = signal_subject(self._nats.names, ENDED)
                        self._listening = await self._nats.client.subscribe_chunks(subject, self._on_ended)
                    elif not self._watching and self._listening is not None:
                        listening, self._listening = self._listening, None
                        await self._nats.client.unsubscribe_chunks(listening)
            except Unavailable:
                pass


class OutcomeWatch:
    """Listens for the outcome of one command. A context manager; its exit stops listening."""

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
        """Returns at a signal or after the timeout. A signal may be lost, so poll after each return."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._signalled.wait()
        except TimeoutError:
            pass
        self._signalled.clear()


class Expected:
    """One wait for one command. A context manager; its exit stops listening."""

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
        if self._future.done():
            self._future.exception()  # an outage that came before the wait is no error that nobody saw
        if not futures:
            del self._waiter._waiting[self._command_id]

    async def outcome(self, timeout_seconds: float) -> Ended | None:
        """The outcome; None if it is unknown after the timeout.

        Raises Unavailable, also as soon as Postgres is found unreachable, full or read-only.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        for poll in count():
            pause = _POLL_PAUSES_SECONDS[min(poll, len(_POLL_PAUSES_SECONDS) - 1)]
            remaining = deadline - loop.time()
            received, _ = await asyncio.wait((self._future,), timeout=min(pause, max(0, remaining)))
            if received:
                return self._future.result()
            found = await self._waiter.look_up(self._command_id)
            if found is not None or remaining <= pause:
                return found
        raise AssertionError("count() never ends")
