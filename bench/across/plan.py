"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition. warm_up, share: how many commands each slice decides before it is timed,
    and while it is, at least.

    changed: commands that give members another address. changing: to how many members they go.
    """

    warm_up: int
    share: int
    registered: int
    changed: int
    changing: int
    accounts: int
    transfers: int
    guests: int
    concerts: int
    holds: int
    eventsourcing_transfers: int
    emmett_transfers: int


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=5,
    warm_up=10_000,
    share=20_000,
    registered=150_000,
    changed=150_000,
    changing=1000,
    accounts=5000,
    transfers=300_000,
    guests=5000,
    concerts=500,
    holds=150_000,
    eventsourcing_transfers=5000,
    emmett_transfers=5000,
)

QUICK = Plan(
    repetitions=1,
    warm_up=10_000,
    share=5000,
    registered=25_000,
    changed=25_000,
    changing=1000,
    accounts=5000,
    transfers=55_000,
    guests=5000,
    concerts=500,
    holds=25_000,
    eventsourcing_transfers=500,
    emmett_transfers=500,
)
