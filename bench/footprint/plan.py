"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """rest_seconds: how long after readiness memory is looked at. helps: how often help is asked for."""

    rest_seconds: float
    helps: int


Bench = suite.Bench[Plan]

FULL = Plan(repetitions=5, rest_seconds=3, helps=5)
QUICK = Plan(repetitions=1, rest_seconds=1, helps=1)
