"""How much of everything one run measures."""

from __future__ import annotations

from dataclasses import dataclass

from bench import suite


@dataclass(frozen=True)
class Plan(suite.Counts):
    """Counts of one repetition.

    events, accounts: what is in the log. With more than a thousand events, an account has a snapshot.
    """

    events: int
    accounts: int


Bench = suite.Bench[Plan]

FULL = Plan(repetitions=3, events=300_000, accounts=250)
QUICK = Plan(repetitions=1, events=30_000, accounts=25)
