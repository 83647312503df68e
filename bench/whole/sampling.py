"""Samples the system once a second: how far each part is behind, what it uses, how the store grows."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import psutil

from bench.whole.system import System
from bench.whole.timeline import Sample, Timeline, Used
from commander.domain.errors import Unavailable
from commander.eventstore.log.checkpoints import partition_progress, settled_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.serving import BUILT, table_records
from commander.eventstore.reactions.reactors import reactor_statuses
from commander.streaming.nats.streams import mirrored_position, queue_depth

_SAMPLE_SECONDS = 1.0
QUEUE = "queue"
RELAY = "relay"


class Sampling:
    """Adds a sample to the timeline every second, until its task is cancelled.

    drivers: the processes of users and watchers.
    """

    def __init__(self, system: System, timeline: Timeline) -> None:
        self.drivers: dict[str, int] = {}
        self._system = system
        self._timeline = timeline
        self._seconds: dict[tuple[str, int], tuple[float, float]] = {}

    def driven(self, name: str, process_id: int | None) -> None:
        """Says which process drives; None: it has ended."""
        if process_id is None:
            self.drivers.pop(name, None)
        else:
            self.drivers[name] = process_id

    async def run(self) -> None:
        while True:
            with suppress(Unavailable):
                self._timeline.samples.append(await self.sample())
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def sample(self) -> Sample:
        """The system now. Raises Unavailable."""
        behind = await self.behind()
        head = await head_position(self._system.database)
        stored = await self._stored()
        used = await asyncio.to_thread(self._used)
        return Sample(time.perf_counter(), head, behind, used, stored)

    async def behind(self) -> dict[str, int]:
        """What each part has yet to do, by part: messages of the queue, or events of the log."""
        database, nats = self._system.database, self._system.nats
        depth = await queue_depth(nats)
        async with database.connection() as connection:
            partitions = range(await settled_partitions(database))
            progress = await partition_progress(connection, list(partitions))
        purged = depth.first_sequence - 1
        decided = [max(one.in_stream(depth.created), purged) for one in progress.values()]
        mirrored = await mirrored_position(nats)
        tables = await table_records(database)
        head, reactors = await reactor_statuses(database)
        found = {QUEUE: max(0, depth.last_sequence - min(decided, default=0)), RELAY: head - mirrored}
        found |= {f"projection {one.name}": head - one.position for one in tables if one.state == BUILT}
        found |= {f"reactor {one.name}": head - one.position for one in reactors}
        return {name: max(0, count) for name, count in found.items()}

    async def _stored(self) -> dict[str, int]:
        nats, jetstream = self._system.nats, self._system.nats.jetstream
        size = await self._system.database.fetchval("select pg_database_size(current_database())")
        async with nats.answering():
            streams = {
                name: (await jetstream.stream_info(name)).state.bytes
                for name in (nats.names.commands, nats.names.events)
            }
        return {"Postgres": int(size), **{name: int(bytes_) for name, bytes_ in streams.items()}}

    def _used(self) -> dict[str, Used]:
        used = {}
        for name, process_id in {**self._system.processes(), **self.drivers}.items():
            with suppress(psutil.Error):
                used[name] = self._used_by(name, psutil.Process(process_id))
        return used

    def _used_by(self, name: str, process: psutil.Process) -> Used:
        """Of a process and those below it, such as the backends of Postgres."""
        own = process.cpu_times()
        seconds = own.user + own.system + own.children_user + own.children_system
        memory = process.memory_full_info().pss
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                times = child.cpu_times()
                seconds += times.user + times.system
                memory += child.memory_full_info().pss
        now = time.perf_counter()
        before, then = self._seconds.get((name, process.pid), (seconds, now))
        self._seconds[name, process.pid] = seconds, now
        return Used(max(0.0, seconds - before) / (now - then) if now > then else 0.0, int(memory))
