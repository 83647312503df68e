"""The states of streams in memory.

With a cached state, the length of a stream does not matter to a decision.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from commander.domain import Domain
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import read_streams
from commander.eventstore.log.snapshots import Snapshot, load_snapshots, snapshot_of, state_from
from commander.streaming.commands.deciding import StreamState, evolved, initial_state


class AggregateCache(OrderedDict[str, StreamState]):
    """The newest states of the streams of a processor's partitions. Least recently used ones are evicted.

    capacity: the maximum of streams. snapshot_every: a snapshot is stored after so many events of a stream.
    """

    def __init__(self, domain: Domain, capacity: int, snapshot_every: int) -> None:
        super().__init__()
        self._domain = domain
        self._capacity = capacity
        self._snapshot_every = snapshot_every
        self._snapshot_at: dict[str, int] = {}
        self._loading = asyncio.Lock()

    def keep(self, is_kept: Callable[[str], bool]) -> None:
        """Evicts the other streams: another owner may change them, or a commit failed."""
        for stream in [stream for stream in self if not is_kept(stream)]:
            del self[stream]
            self._snapshot_at.pop(stream, None)

    async def load(self, connection: Connection, streams: Iterable[str]) -> None:
        """Loads the missing ones of these streams: folded from a snapshot, or from the beginning.

        Only one load runs at a time, and it stores only complete states. Two batches may need the same stream
        at the same time, and one must not decide on a state that the other has partly loaded.
        """
        async with self._loading:
            missing = []
            for stream in streams:
                if stream in self:
                    self.move_to_end(stream)
                else:
                    missing.append(stream)
            if not missing:
                return
            loaded = {stream: initial_state(self._domain, stream) for stream in missing}
            for snapshot in await load_snapshots(connection, missing):
                self._begin_from(snapshot, loaded)
            after = {stream: state.version for stream, state in loaded.items()}
            async for event in read_streams(connection, after):
                loaded[event.stream] = evolved(self._domain, loaded[event.stream], event)
            self.update(loaded)

    def shrink(self) -> None:
        """Evicts the least recently used streams, down to the capacity. Call it between batches."""
        while len(self) > self._capacity:
            stream, _ = self.popitem(last=False)
            self._snapshot_at.pop(stream, None)

    def due_snapshots(self, streams: Iterable[str]) -> list[Snapshot]:
        """The snapshots of the streams that have grown by `snapshot_every` events since their last one."""
        due = []
        for stream in streams:
            current = self.get(stream)
            if current is None or current.unreadable is not None:
                continue
            if current.version - self._snapshot_at.get(stream, 0) < self._snapshot_every:
                continue
            self._snapshot_at[stream] = current.version
            aggregate = self._domain.aggregate_type(stream.partition("-")[0])
            assert aggregate is not None, "the stream is readable"
            fingerprint = self._domain.fingerprint_of(aggregate)
            taken = snapshot_of(aggregate, fingerprint, stream, current.version, current.state)
            if taken is not None:
                due.append(taken)
        return due

    def _begin_from(self, snapshot: Snapshot, loaded: dict[str, StreamState]) -> None:
        aggregate = self._domain.aggregate_type(snapshot.stream.partition("-")[0])
        if aggregate is None:
            return
        state = state_from(aggregate, self._domain.fingerprint_of(aggregate), snapshot)
        if state is not None:
            loaded[snapshot.stream] = StreamState(state, snapshot.version)
            self._snapshot_at[snapshot.stream] = snapshot.version
