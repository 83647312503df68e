"""The settings of a processor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessorSettings:
    """The settings of a processor.

    batch_size: the maximum of commands in a transaction. cached_streams: must be many more than the streams
    of the batches in progress. long_stream: so many events after a snapshot make a stream long: it is loaded
    beside the deciding of others. More than snapshot_every, so that a stream with a snapshot is not long.
    """

    partitions: int
    batch_size: int = 500
    cached_streams: int = 100_000
    snapshot_every: int = 1000
    long_stream: int = 2000
    rebalance_seconds: float = 1.0
    purge_seconds: float = 10.0
