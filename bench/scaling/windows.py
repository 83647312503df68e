"""Rates in windows of half a second, and for how long they are below a share of what one process does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.measuring import Measure

WINDOW_SECONDS = 0.5
FLOOR = 0.7
LONGEST_SECONDS = 2.0


@dataclass(frozen=True)
class Phases:
    """Times by the clock of the samples: one process alone from `begin`, a second one from its start until
    it is told to end, then one alone until `end`."""

    begin: float
    joining: float
    joined: float
    leaving: float
    left: float
    end: float


def rates(samples: Sequence[tuple[float, float]], begin: float, end: float) -> list[float]:
    """Per second, in each whole window of this time. samples: (time, how much was done by then), in order."""
    edges = [begin + n * WINDOW_SECONDS for n in range(int((end - begin) / WINDOW_SECONDS) + 1)]
    done = [_at(samples, edge) for edge in edges]
    return [(after - before) / WINDOW_SECONDS for before, after in pairwise(done)]


def measures_of(
    name: str, unit: str, samples: Sequence[tuple[float, float]], phases: Phases
) -> list[Measure]:
    """What happens to the rate of one process when a second joins and leaves."""
    alone = median(rates(samples, phases.begin, phases.joining))
    changing = rates(samples, phases.joining, phases.end)
    return [
        Measure(f"{name}: one alone", f"{unit}/s", alone),
        Measure(f"{name}: two", f"{unit}/s", median(rates(samples, phases.joined, phases.leaving))),
        Measure(f"{name}: one alone again", f"{unit}/s", median(rates(samples, phases.left, phases.end))),
        Measure(f"{name}: slowest half second while one joins and leaves", f"{unit}/s", min(changing)),
        Measure(longest_below(name), "s", _longest(changing, FLOOR * alone)),
    ]


def longest_below(name: str) -> str:
    return f"{name}: longest time below {FLOOR} of one alone, while one joins and leaves"


def _longest(found: Sequence[float], floor: float) -> float:
    """The longest run of windows below the floor, in seconds."""
    longest = run = 0
    for one in found:
        run = run + 1 if one < floor else 0
        longest = max(longest, run)
    return longest * WINDOW_SECONDS


def _at(samples: Sequence[tuple[float, float]], time: float) -> float:
    """How much was done by then, between two samples in proportion."""
    before = (samples[0][0], 0.0)
    for sample in samples:
        if sample[0] >= time:
            share = (time - before[0]) / (sample[0] - before[0]) if sample[0] > before[0] else 1.0
            return before[1] + share * (sample[1] - before[1])
        before = sample
    return before[1]
