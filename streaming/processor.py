"""The processor: pulls commands in batches, decides them, commits once per batch, announces the outcomes.

How far a partition is decided is written to Postgres in the transaction that stores the outcomes: that is
the acknowledgement, once per batch, and it cannot disagree with the outcomes. A new owner begins behind it
and so meets each command in order. (With acknowledgements kept by JetStream a takeover would see the
unacknowledged messages only after their wait, behind newer ones, and acknowledging those with AckPolicy.ALL
would drop the older: see docs/decisions.md.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from commander.domain import Domain
from eventstore.checkpoints import partition_progress
from eventstore.database import Database
from eventstore.log import AppendConflict, Appended, append, read_streams
from eventstore.outcomes import events_of_outcome, known_outcomes
from eventstore.records import Decision, Outcome, Progress, SubmittedCommand
from streaming.connection import Nats
from streaming.deciding import StreamState, decide, evolved, initial_state
from streaming.outcomes import Ended, announce, ended_from
from streaming.ownership import Ownership
from streaming.pull import InMessage, OrderedPull, StreamReplaced
from streaming.running import keep_running
from streaming.signals import tell_head
from streaming.streams import COMMANDS, command_subject

logger = logging.getLogger("commander.processor")

_decoder = msgspec.json.Decoder(SubmittedCommand)


@dataclass(frozen=True)
class ProcessorSettings:
    partitions: int
    batch_size: int = 500
    cached_streams: int = 100_000
    rebalance_seconds: float = 1.0
    purge_seconds: float = 10.0


class Processor:
    """Decides the commands of the partitions it owns, until its task is cancelled.

    waiting_for ─► owning ─► waiting_for …      (a lost server ends an ownership; a new one begins afresh)
    """

    def __init__(self, domain: Domain, database: Database, nats: Nats, settings: ProcessorSettings) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._settings = settings
        self._states: OrderedDict[str, StreamState] = OrderedDict()
        self._progress: dict[int, Progress] = {}
        self.owned: tuple[int, ...] = ()

    async def run(self) -> None:
        await keep_running(self._own, logger)

    async def _own(self) -> None:
        """One ownership: from taking the locks to losing a server."""
        self._nats.must_be_connected()  # who is cut off from NATS leaves the partitions to others
        try:
            async with Ownership(self._database, self._settings.partitions) as ownership:
                while True:
                    await ownership.rebalance()
                    await self._begin(ownership)
                    if not ownership.owned:
                        await asyncio.sleep(self._settings.rebalance_seconds)
                        continue
                    await self._decide_until_rebalanced(ownership)
        except StreamReplaced as error:
            logger.warning("%s; reading it from its beginning", error)
        finally:
            self.owned = ()

    async def _begin(self, ownership: Ownership) -> None:
        """What was known of streams is void: another processor may have had them meanwhile."""
        self._states.clear()
        self._progress = await partition_progress(ownership.connection, ownership.owned)
        if self.owned != tuple(sorted(ownership.owned)):
            self.owned = tuple(sorted(ownership.owned))
            logger.info("deciding partitions %s", ", ".join(map(str, self.owned)) or "none")

    async def _decide_until_rebalanced(self, ownership: Ownership) -> None:
        loop = asyncio.get_running_loop()
        subjects = [command_subject(partition) for partition in self.owned]
        async with OrderedPull(self._nats, COMMANDS, subjects, await self._first_sequence()) as inbox:
            rebalance_at = loop.time() + self._settings.rebalance_seconds
            purge_at = loop.time() + self._settings.purge_seconds
            while True:
                messages = await inbox.next_batch(self._settings.batch_size, self._settings.rebalance_seconds)
                if messages:
                    await self._process(ownership, messages, inbox.stream_created)
                if loop.time() >= purge_at:
                    await self._purge()
                    purge_at = loop.time() + self._settings.purge_seconds
                if loop.time() >= rebalance_at:
                    if await ownership.rebalance():
                        return
                    rebalance_at = loop.time() + self._settings.rebalance_seconds

    async def _first_sequence(self) -> int:
        """Behind what every owned partition has decided; from the start where the stream was made anew.

        Reading too much is harmless: a command that has its outcome is not decided again.
        """
        async with self._nats.answering():
            created = (await self._nats.jetstream.stream_info(COMMANDS)).created
        self._progress = {
            partition: progress if progress.stream_created == created else Progress(partition, 0, created)
            for partition, progress in self._progress.items()
        }
        return min(progress.sequence for progress in self._progress.values())

    async def _process(
        self, ownership: Ownership, messages: list[InMessage], stream_created: datetime
    ) -> None:
        """One batch, from messages to announced outcomes."""
        commands = self._commands(messages)
        last = messages[-1].sequence
        progress = {
            p: Progress(p, max(last, before.sequence), stream_created) for p, before in self._progress.items()
        }
        batch = await self._commit(ownership, commands, list(progress.values()))
        self._progress = progress
        if batch.appended is not None and batch.appended.events:
            await tell_head(self._nats, batch.appended.events[-1].position)
        await self._announce(batch)

    def _commands(self, messages: list[InMessage]) -> list[SubmittedCommand]:
        commands = []
        for message in messages:
            partition = int(message.subject.rpartition(".")[2])
            if message.sequence <= self._progress[partition].sequence:
                continue  # decided before this ownership began
            try:
                commands.append(_decoder.decode(message.data))
            except msgspec.DecodeError as error:
                logger.error("message %d of %s is no command: %s", message.sequence, COMMANDS, error)
        return commands

    async def _commit(
        self, ownership: Ownership, commands: list[SubmittedCommand], progress: list[Progress]
    ) -> Batch:
        """Decides and stores the batch. Someone else's outcome for one of its ids makes it decide afresh."""
        for _ in range(5):
            known = await known_outcomes(ownership.connection, [c.command_id for c in commands])
            batch = Batch(commands, known)
            await self._load(ownership, batch.undecided)
            after = batch.decide(self._domain, self._states, datetime.now(UTC))
            try:
                batch.appended = await append(ownership.connection, batch.decisions, progress)
            except AppendConflict as conflict:
                logger.warning("deciding %d commands again: %s", len(commands), conflict)
                self._states.clear()
                continue
            self._remember(after)
            return batch
        raise AppendConflict("five times in a row another process stored the same commands or versions")

    async def _load(self, ownership: Ownership, commands: list[SubmittedCommand]) -> None:
        """Folds the streams that are not in memory."""
        missing = {c.stream for c in commands if c.stream not in self._states}
        if not missing:
            return
        for stream in missing:
            self._states[stream] = initial_state(self._domain, stream)
        async for event in read_streams(ownership.connection, dict.fromkeys(missing, 0)):
            self._states[event.stream] = evolved(self._domain, self._states[event.stream], event)

    def _remember(self, after: dict[str, StreamState]) -> None:
        for stream, state in after.items():
            self._states[stream] = state
            self._states.move_to_end(stream)
        while len(self._states) > self._settings.cached_streams:
            self._states.popitem(last=False)

    async def _announce(self, batch: Batch) -> None:
        for command in batch.commands:
            if command.reply is None:
                continue
            known = batch.known.get(command.command_id)
            if known is not None:
                ended = ended_from(known, await events_of_outcome(self._database, known))
            else:
                ended = batch.ended(command.command_id)
            await announce(self._nats, command.reply, ended)

    async def _purge(self) -> None:
        """Removes from the stream what Postgres has decided."""
        async with self._nats.answering():
            for partition, progress in self._progress.items():
                if progress.sequence:
                    await self._nats.jetstream.purge_stream(
                        COMMANDS, seq=progress.sequence + 1, subject=command_subject(partition)
                    )


class Batch:
    """Commands decided and committed together. known: those that had their outcome before."""

    def __init__(self, commands: list[SubmittedCommand], known: dict[UUID, Outcome]) -> None:
        self.commands = commands
        self.known = known
        first = {c.command_id: c for c in reversed(commands) if c.command_id not in known}
        self.undecided = [c for c in commands if first.get(c.command_id) is c]
        self.decisions: list[Decision] = []
        self.appended: Appended | None = None
        self._ends: dict[UUID, tuple[Decision, int, int]] = {}

    def decide(
        self, domain: Domain, states: OrderedDict[str, StreamState], now: datetime
    ) -> dict[str, StreamState]:
        """Decides each command on what the ones before it left; returns the states after the batch."""
        after: dict[str, StreamState] = {}
        end = 0
        for command in self.undecided:
            current = after.get(command.stream) or states[command.stream]
            decision, after[command.stream] = decide(domain, command, current, now)
            begin, end = end, end + len(decision.events) + (decision.rejection is not None)
            self.decisions.append(decision)
            self._ends[command.command_id] = (decision, begin, end)
        return after

    def ended(self, command_id: UUID) -> Ended:
        """How a command of this batch ended; the same for one that was submitted twice within it."""
        assert self.appended is not None, "asked after the commit"
        decision, begin, end = self._ends[command_id]
        return Ended(
            command_id=command_id,
            digest=decision.digest,
            status=decision.status.value,
            code=decision.code,
            message=decision.message,
            stream=decision.command.stream,
            position=self.appended.base + end,
            version=decision.version,
            events=self.appended.events[begin:end],
        )
