"""The audit of snapshots: each is the state that a fold of its stream from the beginning gives."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from commander.domain import Domain
from commander.eventstore.archive.verifying import Broken
from commander.eventstore.database import Connection, Database
from commander.eventstore.log.event_log import read_streams
from commander.eventstore.log.snapshots import Snapshot, sampled_snapshots, state_from
from commander.eventstore.records import RecordedEvent
from commander.streaming.commands.deciding import StreamState, evolved, initial_state

PROMISE = "each snapshot is a fold of its stream"


class Compared(NamedTuple):
    """done: how many snapshots were compared. usable: how many there are that this code uses."""

    broken: list[Broken]
    done: int
    usable: int


async def verify_snapshots(
    domain: Domain, database: Database, most: int, progress: Callable[[int, int], None]
) -> Compared:
    """Folds the streams of at most so many snapshots from the beginning, and compares.

    Half of them are those of the longest streams, the others are chosen at random. Snapshots of other code
    are not used, and not compared. Raises Unavailable.
    """
    made_by = {
        name: domain.fingerprint_of(aggregate)
        for aggregate in domain.aggregates.values()
        for name in aggregate.names
    }
    broken: list[Broken] = []
    async with database.connection() as connection:
        sample, total = await sampled_snapshots(connection, made_by, most)
        for count, snapshot in enumerate(sample):
            progress(count, len(sample))
            broken += await _compared(domain, connection, snapshot)
    return Compared(broken, len(sample), total)


async def _compared(domain: Domain, connection: Connection, snapshot: Snapshot) -> list[Broken]:
    """The difference at the version of the snapshot, or else at the end of the stream."""
    stream = snapshot.stream
    aggregate = domain.aggregate_type(stream.partition("-")[0])
    assert aggregate is not None, "the sample is of this domain's aggregates"
    stored = state_from(aggregate, domain.fingerprint_of(aggregate), snapshot)
    if stored is None:
        return []  # it cannot be decoded, so it is not used
    whole, rest = initial_state(domain, stream), StreamState(stored, snapshot.version)
    async for event in _events_of(connection, stream):
        whole = evolved(domain, whole, event)
        if event.version > snapshot.version:
            rest = evolved(domain, rest, event)
        elif event.version == snapshot.version and (found := _difference(rest, whole)):
            return [_broken(aggregate.name, stream, event.version, found)]
    found = _difference(rest, whole)
    return [_broken(aggregate.name, stream, whole.version, found)] if found else []


async def _events_of(connection: Connection, stream: str) -> AsyncIterator[RecordedEvent]:
    version = 0
    while events := await read_streams(connection, {stream: version}):
        for event in events:
            yield event
        version = events[-1].version


def _difference(rest: StreamState, whole: StreamState) -> str | None:
    if whole.unreadable is not None:
        return f"the fold fails: {whole.unreadable}"
    if rest.state == whole.state:
        return None
    names = [field.name for field in dataclasses.fields(whole.state)]
    pairs = [(name, getattr(rest.state, name), getattr(whole.state, name)) for name in names]
    return "; ".join(f"{name} is {_shown(a)}, the fold gives {_shown(b)}" for name, a, b in pairs if a != b)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _broken(aggregate: str, stream: str, version: int, found: str) -> Broken:
    advice = f"run `commander snapshots drop {aggregate}` and restart the processors"
    return Broken(PROMISE, f"{stream} at version {version}: {found}; {advice}")
