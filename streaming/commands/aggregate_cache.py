"""The states of streams in memory: warm, deciding costs the same for a stream of one event or a million."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from commander.domain import Domain
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import read_streams
from commander.eventstore.log.snapshots import Snapshot, load_snapshots, snapshot_of, state_from
from commander.streaming.commands.deciding import StreamState, evolved, initial_state


class AggregateCache(OrderedDict[str, StreamState]):
    """The newest state of each stream that was decided on lately, and of one partition's owner alone.

    capacity: how many streams are kept. snapshot_every: after how many events a stream's state is stored.
    """

    def __init__(self, domain: Domain, capacity: int, snapshot_every: int) -> None:
        super().__init__()
        self._domain = domain
        self._capacity = capacity
        self._snapshot_every = snapshot_every
        self._snapshot_at: dict[str, int] = {}
        self._loading = asyncio.Lock()

    def clear(self) -> None:
        """Forgets all: another owner may have had the streams, or a commit failed."""
        super().clear()
        self._snapshot_at.clear()

    async def load(self, connection: Connection, streams: Iterable[str]) -> None:
        """Makes sure of these streams: folded from a snapshot, or from the beginning, where not in memory.

        One at a time, and a state is there only when it is whole: batches that are looked up at the same time
        may want the same stream, and one must not decide on what the other has half loaded.
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
        """Forgets the streams used longest ago, down to the capacity. Call it between batches."""
        while len(self) > self._capacity:
            stream, _ = self.popitem(last=False)
            self._snapshot_at.pop(stream, None)

    def due_snapshots(self, streams: Iterable[str]) -> list[Snapshot]:
        """The snapshots of those of these streams that have grown enough since their last one."""
        due = []
        for stream in streams:
            current = self.get(stream)
            if current is None or current.unreadable is not None:
                continue
            if current.version - self._snapshot_at.get(stream, 0) < self._snapshot_every:
                continue
            self._snapshot_at[stream] = current.version
            aggregate = self._domain.aggregates[stream.partition("-")[0]]
            fingerprint = self._domain.fingerprint_of(aggregate)
            taken = snapshot_of(aggregate, fingerprint, stream, current.version, current.state)
            if taken is not None:
                due.append(taken)
        return due

    def _begin_from(self, snapshot: Snapshot, loaded: dict[str, StreamState]) -> None:
        aggregate = self._domain.aggregates.get(snapshot.stream.partition("-")[0])
        if aggregate is None:
            return
        state = state_from(aggregate, self._domain.fingerprint_of(aggregate), snapshot)
        if state is not None:
            loaded[snapshot.stream] = StreamState(state, snapshot.version)
            self._snapshot_at[snapshot.stream] = snapshot.version
