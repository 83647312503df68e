"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition.

    accounts: that the deposits go to in turn. queued: commands that wait in a, of each kind. joined: in b.
    phase_seconds: of each phase of b and c: one alone, both, one alone. knocked: events that wait in c.
    killed: commands that wait when the processor is ended in d. found: commands around the one of e.
    beside_seconds: how long f submits.
    """

    accounts: int
    queued: int
    joined: int
    phase_seconds: float
    knocked: int
    killed: int
    found: int
    beside_seconds: float


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=5,
    accounts=1000,
    queued=150_000,
    joined=1_000_000,
    phase_seconds=5,
    knocked=400_000,
    killed=50_000,
    found=5000,
    beside_seconds=60,
)

QUICK = Plan(
    repetitions=1,
    accounts=200,
    queued=60_000,
    joined=150_000,
    phase_seconds=2,
    knocked=120_000,
    killed=20_000,
    found=1000,
    beside_seconds=10,
)
