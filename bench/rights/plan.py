"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition. deliveries: about how many subscribers receive, all together.

    offered_deliveries: events come at this rate divided by the number of subscribers: more than any can take.
    """

    accounts: int
    warm_up_mutations: int
    accepted_mutations: int
    subscribers: int
    deliveries: int
    offered_deliveries: float


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=5,
    accounts=500,
    warm_up_mutations=1800,
    accepted_mutations=12_000,
    subscribers=500,
    deliveries=300_000,
    offered_deliveries=300_000,
)
QUICK = Plan(
    repetitions=1,
    accounts=50,
    warm_up_mutations=300,
    accepted_mutations=1200,
    subscribers=500,
    deliveries=30_000,
    offered_deliveries=300_000,
)
