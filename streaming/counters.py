"""Counters of a process since it started. The metrics endpoint reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from commander.eventstore.records import Decision, Status


class Histogram:
    """A histogram.

    counts: the values up to each bound, not cumulated; the last is for those above all bounds.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class DecidingCounters:
    """The counters of a processor. outcomes: by the command's type and its status."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.batch_sizes = Histogram((1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000))
        self.commit_seconds = Histogram((0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10))

    @property
    def batches(self) -> int:
        """How many batches were committed."""
        return sum(self.batch_sizes.counts)

    def committed(self, decisions: Sequence[Decision], commands: int, seconds: float) -> None:
        """Counts a committed batch. commands: its size. decisions: those that were made in it."""
        applied = Status.APPLIED
        counts = Counter([one.command.type for one in decisions if one.status is applied])
        for type_, count in counts.items():
            self.outcomes[type_, applied.value] += count
        for one in decisions:
            if one.status is not applied:
                self.outcomes[one.command.type, one.status.value] += 1
        self.batch_sizes.add(commands)
        self.commit_seconds.add(seconds)
