"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition.

    events, accounts: what stands in the log before the table is rebuilt.
    eventsourcing_…: the same for the peer, whose rate does not depend on them either.
    lag_…: commands that come at a steady rate, to as many accounts. …_history: events before reading and
    writing are timed, cost_requests times each.
    """

    events: int
    accounts: int
    eventsourcing_events: int
    eventsourcing_accounts: int
    lag_commands: int
    lag_accounts: int
    short_history: int
    long_history: int
    cost_requests: int


Bench = suite.Bench[Plan]

FULL = Plan(
    repetitions=3,
    events=1_000_000,
    accounts=20_000,
    eventsourcing_events=20_000,
    eventsourcing_accounts=400,
    lag_commands=30_000,
    lag_accounts=1000,
    short_history=100_000,
    long_history=10_000_000,
    cost_requests=1000,
)

QUICK = Plan(
    repetitions=1,
    events=100_000,
    accounts=2000,
    eventsourcing_events=2000,
    eventsourcing_accounts=40,
    lag_commands=4000,
    lag_accounts=100,
    short_history=10_000,
    long_history=100_000,
    cost_requests=100,
)
