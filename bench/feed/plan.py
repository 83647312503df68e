"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition.

    clients: the numbers of subscribers for which a to d are measured.
    offered_deliveries: events come at this rate divided by the number of subscribers: more than any can take.
    commander, graphql_ws, strawberry, limit: about how many deliveries are measured at each number.
    filtered_…: how many events are published where each of so many subscribers has a filter of its own.
    history_events: how many events stand in the log before the catch-up.
    """

    clients: tuple[int, ...]
    offered_deliveries: float
    commander: int
    graphql_ws: int
    strawberry: int
    limit: int
    filtered_clients: int
    filtered_per_second: float
    filtered_commander: int
    filtered_graphql_ws: int
    filtered_strawberry: int
    history_events: int
    accounts: int
    warm_up_mutations: int
    full_load_mutations: int
    paced_seconds: float
    synced: int


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=3,
    clients=(10, 100, 500, 1000, 2000, 5000),
    offered_deliveries=300_000,
    commander=300_000,
    graphql_ws=200_000,
    strawberry=30_000,
    limit=300_000,
    filtered_clients=500,
    filtered_per_second=20_000,
    filtered_commander=40_000,
    filtered_graphql_ws=20_000,
    filtered_strawberry=2000,
    history_events=1_000_000,
    accounts=1000,
    warm_up_mutations=1000,
    full_load_mutations=6000,
    paced_seconds=12,
    synced=500,
)

QUICK = Plan(
    repetitions=1,
    clients=(10, 500),
    offered_deliveries=300_000,
    commander=30_000,
    graphql_ws=50_000,
    strawberry=10_000,
    limit=50_000,
    filtered_clients=100,
    filtered_per_second=20_000,
    filtered_commander=2000,
    filtered_graphql_ws=2000,
    filtered_strawberry=500,
    history_events=20_000,
    accounts=100,
    warm_up_mutations=200,
    full_load_mutations=600,
    paced_seconds=2,
    synced=50,
)
