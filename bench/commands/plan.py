"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition. Rates do not depend on them, once they are large enough.

    paced_seconds: how long mutations come at half the rate that was reached before.
    """

    accounts: int
    queued_deposits: int
    eventsourcing_deposits: int
    emmett_deposits: int
    inserted_rows: int
    published_one_by_one: int
    published_pipelined: int
    published_in_batches: int
    warm_up_mutations: int
    accepted_mutations: int
    applied_mutations: int
    paced_seconds: float


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=3,
    accounts=1000,
    queued_deposits=60_000,
    eventsourcing_deposits=5000,
    emmett_deposits=5000,
    inserted_rows=100_000,
    published_one_by_one=3000,
    published_pipelined=30_000,
    published_in_batches=60_000,
    warm_up_mutations=1000,
    accepted_mutations=12_000,
    applied_mutations=6000,
    paced_seconds=12,
)

QUICK = Plan(
    repetitions=1,
    accounts=100,
    queued_deposits=10_000,
    eventsourcing_deposits=500,
    emmett_deposits=500,
    inserted_rows=20_000,
    published_one_by_one=300,
    published_pipelined=3000,
    published_in_batches=10_000,
    warm_up_mutations=200,
    accepted_mutations=1500,
    applied_mutations=800,
    paced_seconds=2,
)
