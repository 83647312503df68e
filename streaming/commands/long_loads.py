"""Streams that take long to load: they are loaded beside the deciding of others, and their commands wait.

    loading ─► loaded ─► released: its state is in the cache, and its commands are the next batch
    loading, loaded ─► forgotten: the partition was released

A stream is long if many events follow its last snapshot, for example because the code of its aggregate has
changed. Its state is stored as a snapshot as soon as it is loaded.

Why no command is lost, decided twice or out of order: once a command of a stream waits, every later one of
the stream waits behind it, and so does a command under the id of a waiting one. The progress of the
partitions is one sequence, up to which everything is decided. While commands wait, it stays before the
message of the first of them (`held`). Commands behind it are decided and committed meanwhile. So whoever
takes the partitions, after a release, a loss or a crash, reads the waiting commands again. It also reads the
others behind them again, and finds their outcomes: a command with an outcome is not decided again. (If a
command is refused, its partition is released, and the waiting ones wait for the next owner too.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from commander.eventstore.database import Connection, Database
from commander.eventstore.log.event_log import read_stream
from commander.eventstore.log.snapshots import save_snapshots
from commander.eventstore.records import Progress, SubmittedCommand
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.partition_reader import PartitionReader, Received
from commander.streaming.commands.stream_states import StreamState

logger = logging.getLogger("commander.processor")

_AT_ONCE = 2
"""How many streams are loaded at once. The deciding of other streams' commands gets a third of the time."""
_PAUSE_SECONDS = 0.02
"""How long the processor waits for commands at most while a long stream is loaded."""
_MOST_WAITING = 2000
"""How many commands may wait. With more, no further commands are read."""


@dataclass
class _Load:
    """The load of one stream. after: the last sequence before the message of its first waiting command."""

    task: asyncio.Task[StreamState]
    waiting: list[SubmittedCommand] = field(default_factory=list)
    after: int = 0


class LongLoads:
    """The long streams of a processor's partitions. The object is false if there are none."""

    def __init__(self, database: Database, states: AggregateCache, long: int) -> None:
        """long: so many events make a stream long."""
        self._database = database
        self._states = states
        self._long = long
        self._loads: dict[str, _Load] = {}
        self._stream_of: dict[UUID, str] = {}  # where the command with this id waits
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._look_up = asyncio.Lock()

    def __bool__(self) -> bool:
        return bool(self._loads)

    @property
    def is_full(self) -> bool:
        """Whether so many commands wait that no further ones are to be read."""
        return sum(len(load.waiting) for load in self._loads.values()) >= _MOST_WAITING

    @property
    def are_ready(self) -> bool:
        """Whether a stream can be released."""
        return any(load.task.done() for load in self._loads.values())

    async def receive(
        self, reader: PartitionReader, batch_size: int, pause_seconds: float
    ) -> Received | None:
        """The next commands; None if there are none in time, or while too many wait for long streams."""
        if self.is_full:
            await self.until_ready(pause_seconds)
            return None
        pause = min(pause_seconds, _PAUSE_SECONDS) if self else pause_seconds
        return await reader.next_batch(batch_size, pause)

    async def until_ready(self, timeout_seconds: float) -> None:
        """Returns when a stream can be released, at the latest after the timeout."""
        tasks = [load.task for load in self._loads.values()]
        await asyncio.wait(tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)

    async def load(self, connection: Connection, streams: Iterable[str]) -> None:
        """Loads the missing ones of these streams into the cache. A long one is loaded further by itself.

        Only one batch does so at a time: another one may just find that the same stream is long.
        """
        async with self._look_up:
            wanted = [s for s in streams if s not in self._loads] if self._loads else streams
            for stream, state in (await self._states.load(connection, wanted, self._long)).items():
                self._begin(stream, state)

    def _begin(self, stream: str, state: StreamState) -> None:
        logger.info("the stream %s is long: it is loaded beside others, and its commands wait", stream)
        task = asyncio.create_task(self._load(stream, state))
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # it may be forgotten
        self._loads[stream] = _Load(task)

    def take(self, commands: Iterable[SubmittedCommand], after: int) -> Iterator[SubmittedCommand]:
        """Lets the commands of long streams wait, and yields the others.

        after: the last sequence before the messages of the commands.
        """
        for command in commands:
            stream = self._stream_of.get(command.command_id, command.stream)
            load = self._loads.get(stream)
            if load is None:
                yield command
                continue
            if not load.waiting:
                load.after = after
            load.waiting.append(command)
            self._stream_of[command.command_id] = stream

    def take_repeated(self, commands: Iterable[SubmittedCommand], after: int) -> Iterator[SubmittedCommand]:
        """As `take`, for commands that repeat another one: they wait with that one, or not at all."""
        for command in commands:
            if command.command_id in self._stream_of:
                yield from self.take([command], after)
            else:
                yield command

    def held(self, progress: Progress) -> Progress:
        """The progress, or as much of it as is before every waiting command."""
        first = min((load.after for load in self._loads.values() if load.waiting), default=progress.sequence)
        return progress._replace(sequence=min(progress.sequence, first))

    def release(self) -> tuple[list[SubmittedCommand], int]:
        """Puts the loaded states into the cache. Returns the commands that waited for them.

        They are in order within a stream. The number is the last sequence before their messages.
        Call it when every command that was read before is decided or waits. Raises Unavailable.
        """
        loaded = [stream for stream, load in self._loads.items() if load.task.done()]
        released: list[SubmittedCommand] = []
        after = []
        for stream in loaded:
            load = self._loads.pop(stream)
            self._states[stream] = load.task.result()
            if load.waiting:
                released += load.waiting
                after.append(load.after)
        for command in released:
            self._stream_of.pop(command.command_id, None)
        return released, min(after, default=0)

    def forget_waiting(self) -> None:
        """Leaves the waiting commands in the queue. They are read again. The loads go on."""
        self._stream_of.clear()
        for load in self._loads.values():
            load.waiting.clear()

    def keep(self, is_kept: Callable[[str], bool]) -> None:
        """Ends the loads of the other streams: another owner may change them. No command waits for them."""
        for stream in [stream for stream in self._loads if not is_kept(stream)]:
            self._loads.pop(stream).task.cancel()

    async def _load(self, stream: str, state: StreamState) -> StreamState:
        begun = state.version
        async with self._at_once:
            while events := await read_stream(self._database, stream, state.version):
                state = await self._states.folded(stream, state, events)
            snapshot = self._states.snapshot(stream, state)
            if snapshot is not None:
                async with self._database.connection() as connection:
                    await save_snapshots(connection, [snapshot])
        logger.info("the stream %s is loaded: versions %d to %d", stream, begun + 1, state.version)
        return state
