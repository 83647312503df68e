"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench.servers import Servers


@dataclass(frozen=True)
class Plan:
    """Counts of one repetition.

    events, accounts: what stands in the log before the table is rebuilt.
    eventsourcing_…: the same for the peer, whose rate does not depend on them either.
    """

    repetitions: int
    events: int
    accounts: int
    eventsourcing_events: int
    eventsourcing_accounts: int


@dataclass(frozen=True)
class Bench(Servers):
    """The servers, and how much is measured on them."""

    plan: Plan


FULL = Plan(
    repetitions=3,
    events=1_000_000,
    accounts=20_000,
    eventsourcing_events=20_000,
    eventsourcing_accounts=400,
)

QUICK = Plan(
    repetitions=1, events=100_000, accounts=2000, eventsourcing_events=2000, eventsourcing_accounts=40
)
