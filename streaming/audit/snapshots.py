"""Snapshots: each is the state that a fold of its stream from the beginning gives.

Snapshots of other code are not used, and not compared. Streams are read in parts of some thousand events, so
a long one is never in memory, and short ones share a read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

from commander.domain import AggregateType, Domain
from commander.domain.errors import RAISED
from commander.eventstore.audit.comparing import FoldEvent, read_parts
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import reading
from commander.eventstore.database import Connection
from commander.eventstore.log.snapshots import Snapshot, sampled_snapshots, state_from, usable_snapshots

_EVENTS = 10_000
_PAGE = 500
_MOST = 100


class _Fold:
    """The fold of one stream up to its snapshot. failed: why it cannot be folded further."""

    def __init__(self, aggregate: AggregateType, snapshot: Snapshot) -> None:
        self.aggregate = aggregate
        self.snapshot = snapshot
        self.state = aggregate.initial()
        self.version = 0
        self.failed: str | None = None

    def evolve(self, domain: Domain, event: FoldEvent) -> None:
        """Adds an event."""
        _, _, position, type_, schema_version, data = event
        if self.failed is not None:
            return
        try:
            instance = domain.decode(type_, schema_version, data, position)
            self.state = self.aggregate.evolve(self.state, instance)
        except RAISED as error:  # the domain's code may raise anything
            self.failed = f"the fold fails at position {position}: {error}"


async def _snapshots(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    found = done = 0
    async with reading(audit.database) as connection:
        async for page, total in _pages(connection, audit):
            folds = [fold for one in page if (fold := _fold_of(audit.domain, one)) is not None]
            await _folded(connection, audit.domain, folds)
            for fold in folds:
                if (finding := _compared(audit.domain, fold)) is not None:
                    yield finding
                    found += 1
            done += len(page)
            show(done, total)
            if found >= _MOST:
                return


async def _pages(connection: Connection, audit: Audit) -> AsyncIterator[tuple[list[Snapshot], int]]:
    """The usable snapshots, or a sample of them, and how many there are in all."""
    made_by = {
        name: audit.domain.fingerprint_of(aggregate)
        for aggregate in audit.domain.aggregates.values()
        for name in aggregate.names
    }
    if audit.sample is not None:
        sample, _ = await sampled_snapshots(connection, made_by, audit.sample)
        yield sample, len(sample)
        return
    after, seen = "", 0
    while page := await usable_snapshots(connection, made_by, after, _PAGE):
        after, seen = page[-1].stream, seen + len(page)
        yield page, seen if len(page) < _PAGE else seen + _PAGE


def _fold_of(domain: Domain, snapshot: Snapshot) -> _Fold | None:
    aggregate = domain.aggregate_type(snapshot.stream.partition("-")[0])
    assert aggregate is not None, "the snapshots are of this domain's aggregates"
    return _Fold(aggregate, snapshot)


async def _folded(connection: Connection, domain: Domain, folds: Sequence[_Fold]) -> None:
    """Folds each stream up to the version of its snapshot."""
    by_stream = {fold.snapshot.stream: fold for fold in folds}
    left = list(folds)
    while left:
        parts: list[tuple[str, int, int]] = []
        room = _EVENTS
        for fold in left:
            up_to = min(fold.snapshot.version, fold.version + room)
            parts.append((fold.snapshot.stream, fold.version, up_to))
            room -= up_to - fold.version
            if room <= 0:
                break
        for event in await read_parts(connection, parts):
            by_stream[event.stream].evolve(domain, event)
        for stream, _, up_to in parts:
            by_stream[stream].version = up_to  # also if events are missing, which events.py finds
        left = [fold for fold in left if fold.version < fold.snapshot.version]


def _compared(domain: Domain, fold: _Fold) -> Finding | None:
    stored = state_from(fold.aggregate, domain.fingerprint_of(fold.aggregate), fold.snapshot)
    if stored is None or (stored == fold.state and fold.failed is None):
        return None  # one that cannot be decoded is not used
    stream, version = fold.snapshot.stream, fold.snapshot.version
    what = fold.failed or _difference(stored, fold.state)
    return Finding(
        Kind.SNAPSHOT_DIFFERS, f"{stream} at version {version}", what, Repair(Mend.SNAPSHOT, stream)
    )


def _difference(stored: Any, folded: Any) -> str:
    names = [field.name for field in dataclasses.fields(folded)]
    pairs = [(name, getattr(stored, name), getattr(folded, name)) for name in names]
    return "; ".join(f"{name} is {_shown(a)}, the fold gives {_shown(b)}" for name, a, b in pairs if a != b)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


SNAPSHOTS = Check("each snapshot is a fold of its stream", _snapshots)
