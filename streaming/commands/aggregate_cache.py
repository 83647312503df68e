"""The states of streams in memory.

With a cached state, the length of a stream does not matter to a decision.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from time import monotonic

from commander.domain import Domain
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import PAGE, read_streams
from commander.eventstore.log.snapshots import Snapshot, load_streams, snapshot_of, state_from
from commander.eventstore.records import RecordedEvent
from commander.streaming.commands.stream_states import StreamState, evolved, initial_state

_TURN_SECONDS = 0.001
"""After so long a fold lets other tasks run."""


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
        self._snapshot_at = {one: version for one, version in self._snapshot_at.items() if is_kept(one)}

    def evict(self, streams: Iterable[str]) -> None:
        """Evicts these streams: what was decided on them was not committed."""
        for stream in streams:
            self.pop(stream, None)
            self._snapshot_at.pop(stream, None)

    async def load(
        self, connection: Connection, streams: Iterable[str], limit: int | None = None
    ) -> dict[str, StreamState]:
        """Loads the missing ones of these streams: folded from a snapshot, or from the beginning.

        limit: a stream with more events than about this many is not loaded further. Returns these streams,
        with the states reached.

        Only one load runs at a time, and it stores only complete states. Two batches may need the same stream
        at the same time, and one must not decide on a state that the other has partly loaded.
        """
        async with self._loading:
            loaded = {stream: initial_state(self._domain, stream) for stream in self.missing(streams)}
            begun = dict[str, int]()
            long = dict[str, StreamState]()
            after = dict[str, int]()
            unread, at_once = list(loaded), len(loaded)
            while unread or after:
                if after:
                    asked = list(after)[:at_once]
                    events, cut = await read_streams(connection, {one: after[one] for one in asked})
                    await self._fold(loaded, events)
                    read = _up_to(asked, cut)
                    more = [*_with_more(read, events, cut), *list(after)[len(read) :]]
                else:
                    read, more = await self._begin(connection, unread[:at_once], loaded, begun)
                    unread = unread[len(read) :]
                at_once = 2 * len(read)  # beside large streams, many others would be looked up in vain
                after = {stream: loaded[stream].version for stream in more}
                for stream, version in list(after.items()):
                    if limit is not None and version - begun[stream] >= limit:
                        long[stream] = loaded.pop(stream)
                        del after[stream]
            self.update(loaded)
            return long

    async def refresh(self, connection: Connection, streams: Iterable[str]) -> bool:
        """Folds what other processors have appended to those of these streams that are in the cache.

        Returns whether they have.
        """
        found = False
        async with self._loading:
            after = {stream: self[stream].version for stream in streams if stream in self}
            while after:
                events, cut = await read_streams(connection, after)
                found = found or bool(events)
                for event in events:
                    current = self.get(event.stream)
                    if current is not None and current.version == event.version - 1:
                        self[event.stream] = evolved(self._domain, current, event)
                read = _up_to(list(after), cut)
                newest = {event.stream: event.version for event in events}
                more = [*_with_more(read, events, cut), *list(after)[len(read) :]]
                after = {stream: newest.get(stream, after[stream]) for stream in more}
        return found

    async def _begin(
        self,
        connection: Connection,
        streams: list[str],
        loaded: dict[str, StreamState],
        begun: dict[str, int],
    ) -> tuple[list[str], list[str]]:
        """Loads the first pages of these streams, or of the first of them: up to about BATCH_BYTES.

        begun: gets the version that each begins from. Returns the streams that it has begun to load, and
        those of them that may have more events.
        """
        fingerprints = {stream: self._fingerprint_of(stream) for stream in streams}
        snapshots, events, cut = await load_streams(connection, fingerprints, PAGE)
        read = _up_to(streams, cut)
        more = _with_more(read, events, cut)
        unusable = {one.stream for one in snapshots if not self._begin_from(one, loaded)}
        if unusable:
            events = [event for event in events if event.stream not in unusable]
            more = list(dict.fromkeys([*more, *unusable]))
        begun |= {stream: loaded[stream].version for stream in read}
        await self._fold(loaded, events)
        return read, more

    def missing(self, streams: Iterable[str]) -> list[str]:
        """Those of these streams that are not in the cache. The others count as used."""
        missing = []
        for stream in streams:
            if stream in self:
                self.move_to_end(stream)
            else:
                missing.append(stream)
        return missing

    async def folded(self, stream: str, state: StreamState, events: Iterable[RecordedEvent]) -> StreamState:
        """The state of a stream after these events, which follow it. Meanwhile other tasks run."""
        states = {stream: state}
        await self._fold(states, events)
        return states[stream]

    async def _fold(self, states: dict[str, StreamState], events: Iterable[RecordedEvent]) -> None:
        turn_ends = monotonic() + _TURN_SECONDS
        for event in events:
            states[event.stream] = evolved(self._domain, states[event.stream], event)
            if monotonic() >= turn_ends:
                await asyncio.sleep(0)
                turn_ends = monotonic() + _TURN_SECONDS

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
            taken = self.snapshot(stream, current)
            if taken is not None:
                due.append(taken)
        return due

    def snapshot(self, stream: str, state: StreamState) -> Snapshot | None:
        """The snapshot of a state; None if there can be none. The next one is due `snapshot_every` later."""
        if state.unreadable is not None:
            return None
        self._snapshot_at[stream] = state.version
        aggregate = self._domain.aggregate_type(stream.partition("-")[0])
        assert aggregate is not None, "the stream is readable"
        fingerprint = self._domain.fingerprint_of(aggregate)
        return snapshot_of(aggregate, fingerprint, stream, state.version, state.state)

    def _fingerprint_of(self, stream: str) -> str:
        """The fingerprint that a snapshot of this stream must have; no snapshot has an empty one."""
        aggregate = self._domain.aggregate_type(stream.partition("-")[0])
        return "" if aggregate is None else self._domain.fingerprint_of(aggregate)

    def _begin_from(self, snapshot: Snapshot, loaded: dict[str, StreamState]) -> bool:
        """Begins a load from a snapshot. Returns False if it cannot be decoded."""
        aggregate = self._domain.aggregate_type(snapshot.stream.partition("-")[0])
        assert aggregate is not None, "its fingerprint is asked for"
        state = state_from(aggregate, self._domain.fingerprint_of(aggregate), snapshot)
        if state is None:
            return False
        loaded[snapshot.stream] = StreamState(state, snapshot.version)
        self._snapshot_at[snapshot.stream] = snapshot.version
        return True


def _up_to(streams: list[str], cut: str | None) -> list[str]:
    """The streams of which a page has something: up to the one at which the bytes ended it."""
    return streams if cut is None else streams[: streams.index(cut) + 1]


def _with_more(read: Iterable[str], events: Iterable[RecordedEvent], cut: str | None) -> list[str]:
    """Those of the streams of a page that may have more events."""
    counts = Counter(event.stream for event in events)
    return [stream for stream in read if stream == cut or counts[stream] == PAGE]
