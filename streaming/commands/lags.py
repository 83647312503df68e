"""How far the partitions of COMMANDS are behind the stream."""

from __future__ import annotations

from collections.abc import Mapping

from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import all_progress
from commander.streaming.nats.streams import QueueDepth


async def partition_lags(database: Database, depth: QueueDepth) -> Mapping[int, int]:
    """How many messages each partition is behind, counted in those of all partitions. Raises Unavailable."""
    purged = depth.first_sequence - 1
    decided = {one.partitions[0]: one.in_stream(depth.created) for one in await all_progress(database)}
    return {
        partition: max(0, depth.last_sequence - max(at, purged)) for partition, at in sorted(decided.items())
    }
