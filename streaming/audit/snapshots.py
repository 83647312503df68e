"""Snapshots: each is the state that a fold of its stream from the beginning gives.

Snapshots of other code are not used, and not compared. The log is read once for 20,000 snapshots, and again
for each further 20,000. So at most that many states are in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from commander.domain import AggregateType, Domain
from commander.domain.errors import RAISED
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.log_pages import LogEvent
from commander.eventstore.audit.reading import reading
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.snapshots import Snapshot, sampled_snapshots, state_from, usable_snapshots

_STATES = 20_000
_MOST = 100


class _Fold:
    """The fold of one stream up to its snapshot. failed: why it cannot be folded further."""

    __slots__ = ("aggregate", "failed", "snapshot", "state")

    def __init__(self, aggregate: AggregateType, snapshot: Snapshot) -> None:
        self.aggregate = aggregate
        self.snapshot = snapshot
        self.state = aggregate.initial()
        self.failed: str | None = None

    def evolve(self, domain: Domain, event: LogEvent) -> None:
        """Adds an event."""
        if self.failed is not None:
            return
        try:
            self.state = self.aggregate.evolve(self.state, event.instance(domain))
        except RAISED as error:  # the domain's code may raise anything
            self.failed = f"the fold fails at position {event.position}: {error}"


async def _snapshots(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    found = 0
    async for snapshots in _taken(audit):
        folds = {one.stream: fold for one in snapshots if (fold := _fold_of(audit.domain, one)) is not None}
        async with aclosing(_folded(audit, folds, show)) as done:
            async for fold in done:
                if (finding := _compared(audit.domain, fold)) is not None:
                    yield finding
                    found += 1
                if found >= _MOST:
                    return


async def _taken(audit: Audit) -> AsyncIterator[list[Snapshot]]:
    """The usable snapshots, or a sample of them: as many as are folded at once."""
    made_by = {
        name: audit.domain.fingerprint_of(aggregate)
        for aggregate in audit.domain.aggregates.values()
        for name in aggregate.names
    }
    if audit.sample is not None:
        async with reading(audit.database) as connection:
            sample, _ = await sampled_snapshots(connection, made_by, audit.sample)
        for begin in range(0, len(sample), _STATES):
            yield sample[begin : begin + _STATES]
        return
    after: str | None = ""
    while after is not None:
        async with reading(audit.database) as connection:
            page = await usable_snapshots(connection, made_by, after, _STATES)
        if page:
            yield page
        after = page[-1].stream if len(page) == _STATES else None


def _fold_of(domain: Domain, snapshot: Snapshot) -> _Fold | None:
    aggregate = domain.aggregate_type(snapshot.stream.partition("-")[0])
    assert aggregate is not None, "the snapshots are of this domain's aggregates"
    return _Fold(aggregate, snapshot)


async def _folded(audit: Audit, folds: dict[str, _Fold], show: Show) -> AsyncGenerator[_Fold, None]:
    """Folds each stream up to the version of its snapshot, and gives it then. Missing events are left out."""
    domain, end = audit.domain, await head_position(audit.database)
    async with aclosing(audit.pages(end)) as log:
        async for page in log:
            for event in page.events:
                fold = folds.get(event.stream)
                if fold is None or event.version > fold.snapshot.version:
                    continue
                fold.evolve(domain, event)
                if event.version == fold.snapshot.version:
                    del folds[event.stream]
                    yield fold
            show(page.up_to, end)
            if not folds:
                return
    for fold in folds.values():
        yield fold


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


SNAPSHOTS = Check("each snapshot is a fold of its stream", _snapshots, folds=True)
