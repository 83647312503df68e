"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """known, new: how many tokens are verified. subscribers: how many streams are open."""

    known: int
    new: int
    subscribers: int


Bench = suite.Bench[Plan]

FULL = Plan(repetitions=3, known=50_000, new=1000, subscribers=2000)
QUICK = Plan(repetitions=1, known=5000, new=100, subscribers=2000)
