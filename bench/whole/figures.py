"""What follows from a timeline: rates, percentiles, gaps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from math import floor

import msgspec

from bench.measuring import percentile
from bench.whole.timeline import Answer, Timeline, WatchersTick

PERCENTS = (50, 95, 99)


class Step(msgspec.Struct, frozen=True):
    """A rate that was held. offered, answered: mutations per second. Times in ms, from when each was due."""

    offered: float
    answered: float
    mutations: int
    p50: float
    p95: float
    p99: float
    most: float

    @property
    def is_saturated(self) -> bool:
        """The system answers clearly fewer than are due, or users wait for more than a second."""
        return self.answered < 0.9 * self.offered or self.p50 > 1000


class Fan(msgspec.Struct, frozen=True):
    """A number of watchers. delivered: events per second to all. Times in ms, from when each was recorded."""

    watchers: int
    delivered: float
    p50: float
    p95: float
    p99: float


class Gap(msgspec.Struct, frozen=True):
    """A fault: the longest time without an outcome after it. slowest: how long a user waited, in ms."""

    killed: str
    at: float
    seconds: float
    slowest: float
    sent_again: int


def step_of(answers: Sequence[Answer], offered: float, seconds: float) -> Step:
    """answers: of all mutations that were due in this time. Those count as answered that were in it."""
    times = [one.milliseconds for one in answers]
    begin = min((one.due for one in answers), default=0.0)
    in_time = sum(one.at <= begin + seconds for one in answers)
    p50, p95, p99 = (percentile(times, percent) for percent in PERCENTS)
    return Step(offered, in_time / seconds, len(answers), p50, p95, p99, max(times, default=0.0))


def fan_of(ticks: Sequence[WatchersTick], watchers: int, seconds: float) -> Fan:
    """ticks: those of this time."""
    times = [one for tick in ticks for one in tick.milliseconds]
    p50, p95, p99 = (percentile(times, percent) for percent in PERCENTS)
    return Fan(watchers, sum(tick.delivered for tick in ticks) / seconds, p50, p95, p99)


def gaps_of(timeline: Timeline) -> list[Gap]:
    """One for each kill: of the time from it to the next one, or to the end."""
    kills = [mark for mark in timeline.marks if mark.kind == "kill"]
    times = [*(mark.at for mark in kills), float("inf")]
    return [_gap(timeline, mark.at, end, mark.what) for mark, end in zip(kills, times[1:], strict=True)]


def _gap(timeline: Timeline, at: float, end: float, killed: str) -> Gap:
    answers = [one for one in timeline.answers if at <= one.at < end]
    times = sorted([at, *(one.at for one in answers)])
    longest = max((after - before for before, after in itertools.pairwise(times)), default=0.0)
    slowest = max((one.milliseconds for one in answers), default=0.0)
    again = sum(one.tries > 1 for one in answers)
    return Gap(killed, at - timeline.began, longest, slowest, again)


def outcomes_of(answers: Sequence[Answer]) -> dict[str, int]:
    """How many mutations ended in which way."""
    return dict(Counter(one.outcome for one in answers).most_common())


def per_second(answers: Sequence[Answer], began: float) -> dict[int, list[Answer]]:
    """The answers by the second in which they came, counted from the beginning."""
    found: dict[int, list[Answer]] = {}
    for one in answers:
        found.setdefault(floor(one.at - began), []).append(one)
    return found
