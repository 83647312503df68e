"""The newest states of streams, folded from their snapshots and events."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from commander.resolvers.services import Services
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.stream_states import StreamState

_NEVER = 2**62


async def current_states(services: Services, streams: Collection[str]) -> Mapping[str, StreamState]:
    """The state of each of these streams, as a processor would decide on it now. Raises Unavailable."""
    states = AggregateCache(services.domain, capacity=len(streams), snapshot_every=_NEVER)
    async with services.database.connection() as connection:
        await states.load(connection, streams)
    return states
