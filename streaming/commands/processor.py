"""The processor: reads commands in batches, decides them, commits once per batch, and publishes the outcomes.

Four batches are in progress under load. One commits, and one is ready behind it, so that Postgres always has
work. The next is decided on the states that they left. For the one after that, earlier outcomes are looked
up. If a commit fails, the later batches fail with it, and what follows the last progress is read again.

The progress of a partition is stored in the transaction of the outcomes. That is the acknowledgement, once
per batch, and it cannot disagree with the outcomes. A new owner begins after it and so gets each command in
order. (JetStream's acknowledgements would lose commands at a takeover: see docs/decisions.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import partition_progress
from commander.eventstore.log.event_log import AppendConflict, append
from commander.eventstore.log.quarantine import Run
from commander.eventstore.records import Progress
from commander.eventstore.sharing import Refusal
from commander.streaming.commands.across_rules import AcrossRules
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.command_batch import CommandBatch
from commander.streaming.commands.committing import Commits
from commander.streaming.commands.crash_quarantine import (
    MAX_ATTEMPTS,
    Slice,
    decide_quarantined,
    possible_causes,
)
from commander.streaming.commands.decided_batches import DecidedBatches
from commander.streaming.commands.deciding import CannotDecide
from commander.streaming.commands.long_loads import LongLoads
from commander.streaming.commands.messages import MAX_TOGETHER
from commander.streaming.commands.partition_reader import PartitionReader, Received
from commander.streaming.commands.processor_settings import ProcessorSettings
from commander.streaming.commands.upkeep import Upkeep
from commander.streaming.counters import DecidingCounters
from commander.streaming.leases import ProcessorLeases
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import StreamReplaced
from commander.streaming.nats.streams import partition_of, queue_depth
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.processor")

_COMMITS = 2
"""How many batches may be decided and not committed: one that is committing, and one behind it."""
_IN_PROGRESS = _COMMITS + 2
"""How many batches may run domain code and not be committed: one is decided, for one states are loaded."""
_FEW = 100
"""After a batch of fewer commands, the processor waits for the commit before it reads more.

Those that arrive meanwhile make one larger batch: it costs less, and each waits for one commit, not two."""


class _LookUp(NamedTuple):
    """A batch whose commands are being looked up."""

    batch: CommandBatch
    done: asyncio.Task[None]


class Processor:
    """Decides the commands of the partitions it owns, until its task is cancelled.

    waiting ─► owning ─► waiting …      (if a server is lost, the leases end and new ones are taken)

    refused: the partitions that no running processor can go on in.
    """

    def __init__(self, domain: Domain, database: Database, nats: Nats, settings: ProcessorSettings) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._settings = settings
        self._states = AggregateCache(domain, settings.cached_streams, settings.snapshot_every)
        self._loads = LongLoads(database, self._states, settings.long_stream)
        self._current_look_up: _LookUp | None = None
        self._recent: deque[CommandBatch] = deque(maxlen=_COMMITS + 1)  # the + 1 is being decided
        self._last: CommandBatch | None = None
        self._read: Progress | None = None  # after the messages that were read
        self._passed: Progress | None = None  # after messages without a command of these partitions
        self._committed_at_conflict: int | None = None
        self._run = Run()
        self.owned: tuple[int, ...] = ()
        self.refused: Sequence[Refusal] = ()
        self.counters = DecidingCounters()
        self._across = AcrossRules(domain, database, self._states)
        self._batches = DecidedBatches(domain, database, self._states, self._across.holders, nats.clock.now)
        self._commits = Commits(self._batches, database, nats, self.counters)

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries."""
        await keep_running(self._own, logger)

    async def _own(self) -> None:
        """Takes leases and decides until a server is lost."""
        self._nats.must_be_connected()  # a process without NATS leaves the partitions to others
        try:
            settings, created = self._settings, (await queue_depth(self._nats)).created
            await self._across.switch_on(lambda: len(self.owned) < settings.partitions)
            async with ProcessorLeases(
                self._database, settings.partitions, self._domain.code, self._run, created
            ) as leases:
                while True:
                    await leases.rebalance()
                    taken, self.refused = self._keep(leases.owned), leases.waiting
                    if not leases.owned:
                        self._nats.must_be_connected()
                        await asyncio.sleep(settings.rebalance_seconds)
                        continue
                    await self._decide_until_rebalanced(leases, taken)
        except StreamReplaced as error:
            logger.warning("%s; reading it from its beginning", error)
        except AppendConflict as error:
            logger.warning("a batch conflicts with another writer and is decided again: %s", error)
        finally:
            self._keep(())
            self.refused = ()

    def _keep(self, owned: Sequence[int]) -> list[int]:
        """Evicts the states of partitions that were released. Returns the partitions that were taken.

        The states of the others are still right: nobody else has decided their commands.
        """
        taken = [partition for partition in owned if partition not in self.owned]
        kept = set(self.owned).intersection(owned)
        count, shared = self._settings.partitions, self._domain.shared  # others may write to shared streams
        for known in (self._states, self._loads):
            known.keep(lambda one: partition_of(one, count) in kept and one.partition("-")[0] not in shared)
        self.owned = tuple(sorted(owned))
        return taken

    async def _decide_until_rebalanced(self, leases: ProcessorLeases, taken: Sequence[int]) -> None:
        try:
            for crashed in await leases.begin(taken):
                await self._decide_quarantined(leases, crashed)
                await leases.clear(crashed)
            logger.info("deciding partitions %s", ", ".join(map(str, self.owned)))
            async with PartitionReader(self._nats, self.owned, self._settings.partitions) as reader:
                await reader.open(await partition_progress(leases.connection, self.owned))
                try:
                    await self._decide_in_batches(leases, reader)
                except AppendConflict as error:
                    self._begin_again(error)
                else:
                    await self._commits.announced()
        except CannotDecide as error:
            await self._commits.announced()  # everything before the command is committed
            partition = partition_of(error.command.stream, self._settings.partitions)
            await leases.refuse_command(partition, error.command.command_id, str(error))
            self._keep(())  # a quarantine that was interrupted begins again
        finally:
            await self._abandon()

    def _begin_again(self, error: AppendConflict) -> None:
        """Forgets what was not committed. It is read again, and all that is queued by now is looked up.

        So a fresh command that has an outcome gets it. Raises the error if nothing was committed since the
        one before: then the leases end too.
        """
        before, self._committed_at_conflict = self._committed_at_conflict, self.counters.batches
        if before == self._committed_at_conflict:
            raise error
        logger.info("some commands are decided again: %s", error)

    async def _decide_quarantined(self, leases: ProcessorLeases, crashed: Sequence[int]) -> None:
        """Decides the commands that may be the cause. crashed: partitions with one last owner."""
        names = ", ".join(map(str, crashed))
        logger.warning("the last owner of partitions %s has crashed or lost Postgres", names)
        async with PartitionReader(self._nats, crashed, self._settings.partitions) as reader:
            await reader.open(await partition_progress(leases.connection, crashed))
            in_progress = _IN_PROGRESS * max(self._settings.batch_size, MAX_TOGETHER)
            waiting = await possible_causes(leases.connection, reader, in_progress)
        await decide_quarantined(
            leases.connection, waiting, self._run, lambda slice_: self._process_slice(leases, slice_)
        )
        await self._commits.announced()

    async def _decide_in_batches(self, leases: ProcessorLeases, reader: PartitionReader) -> None:
        """Decides batch after batch. Returns when the partitions have changed.

        Under load four batches are in progress: one is looked up while the one before is decided and the two
        before that are committed, one after the other.
        """
        async with Upkeep(self._database, leases, self._settings, self._batches) as upkeep:
            while True:
                if self._loads and self._loads.are_ready:
                    await self._release_loaded(leases)
                pause = 0 if self._current_look_up else self._settings.rebalance_seconds
                received = await self._loads.receive(reader, self._settings.batch_size, pause)
                before, self._current_look_up = self._current_look_up, None
                if received is not None and received.commands:
                    self._current_look_up = self._look_up(received, self._loads)
                elif received is not None:
                    self._passed = self._read = received.progress
                if before is not None:
                    await self._process(leases, before)
                if received is not None and len(received.commands) < _FEW:
                    await self._caught_up(leases)
                if upkeep.purge_is_due:
                    await self._caught_up(leases)
                    upkeep.purge(reader, await self._decided(leases))
                unbalanced, self.refused = await upkeep.found_unbalanced(), leases.waiting
                if unbalanced:
                    await self._caught_up(leases)
                    if await leases.rebalance():
                        return

    async def _release_loaded(self, leases: ProcessorLeases) -> None:
        """Makes the commands that waited for loaded streams the next batch."""
        before, self._current_look_up = self._current_look_up, None
        if before is not None:
            await self._process(leases, before)  # it may have commands that wait too
        released, after = self._loads.release()
        if released:
            assert self._read is not None, "the commands were read"
            self._current_look_up = self._look_up(Received(released, self._read), self._loads, after)

    def _look_up(self, received: Received, loads: LongLoads | None, after: int | None = None) -> _LookUp:
        """after: the last sequence before the commands; None: they were read last."""
        if after is None:
            after = 0 if self._read is None else self._read.sequence
        self._read = received.progress
        commands, progress, since = received
        basis = self._across.basis()
        batch = CommandBatch(commands, progress, tuple(self._recent), loads, after, since, basis)
        self._recent.append(batch)
        look_up = batch.look_up(self._database, self._states, ahead=not self._batches.contended)
        return _LookUp(batch, asyncio.create_task(look_up))

    async def _process(self, leases: ProcessorLeases, look_up: _LookUp) -> None:
        """Decides a batch while earlier ones commit. Returns when its own commit has started.

        Raises CannotDecide: the batch ended before that command. Its commit has started then too.
        """
        await look_up.done
        if look_up.batch.reads_models:
            await self._committed()
        await self._batches.decide(look_up.batch)
        await self._committed(but=_COMMITS - 1)
        decided = look_up.batch.is_decided
        await self._commits.start(leases)
        await self._committed(but=_COMMITS if decided else 0)
        if look_up.batch.stopped is not None:
            raise look_up.batch.stopped
        self._last = look_up.batch

    async def _caught_up(self, leases: ProcessorLeases) -> None:
        """Finishes every batch in progress."""
        look_up, self._current_look_up = self._current_look_up, None
        if look_up is not None:
            await self._process(leases, look_up)
        await self._committed()

    async def _process_slice(self, leases: ProcessorLeases, slice_: Slice) -> None:
        """Decides and commits a slice. A command without an attempt left fails."""
        if slice_.is_exhausted:
            batch = CommandBatch(slice_.received.commands, slice_.received.progress, ())
            await batch.set_aside(self._domain, self._database, MAX_ATTEMPTS)
            self._batches.add(batch)
            await self._commits.start(leases)
        else:
            look_up = self._look_up(slice_.received, None)
            look_up.batch.folds_inline = not slice_.attempts
            await self._process(leases, look_up)
        await self._committed()

    async def _committed(self, *, but: int = 0) -> None:
        """Waits for the running commits, except for the last `but`."""
        await self._commits.settled(but=but)
        self._states.shrink()

    async def _abandon(self) -> None:
        """Cancels all tasks, except loads of long streams. Waiting commands stay in the queue."""
        look_up = self._current_look_up
        self._current_look_up = self._last = self._passed = self._read = None
        self._recent.clear()
        self._loads.forget_waiting()
        await self._commits.abandon()
        if look_up is not None:
            look_up.done.cancel()
            await asyncio.gather(look_up.done, return_exceptions=True)

    async def _decided(self, leases: ProcessorLeases) -> int:
        """The sequence up to which the partitions have decided, once it is stored."""
        if self._passed is not None:  # progress after messages of other partitions is stored only here
            self._passed = self._loads.held(self._passed)
            await append(leases.connection, [], self._passed)
        decided = 0 if self._last is None else self._last.progress.sequence
        passed = 0 if self._passed is None else self._passed.sequence
        self._passed = None
        return max(decided, passed)
