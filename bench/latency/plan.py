"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """one_way_ms: the distances. per_second: how many mutations come. mutations: of each measurement.

    connections: of the clients, more than mutations are under way at the largest distance.
    """

    one_way_ms: tuple[int, ...]
    accounts: int
    connections: int
    warm_up_mutations: int
    per_second: float
    mutations: int


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=2,
    one_way_ms=(0, 10, 50),
    accounts=500,
    connections=300,
    warm_up_mutations=300,
    per_second=100,
    mutations=500,
)

QUICK = Plan(
    repetitions=1,
    one_way_ms=(50,),
    accounts=100,
    connections=150,
    warm_up_mutations=150,
    per_second=100,
    mutations=500,
)
