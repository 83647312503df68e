"""`python -m bench.feed`: measures everything in one run; writes results.json, results.md and clients.svg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import report
from bench.feed.catchup import measure_catchup
from bench.feed.cores import CLIENT, SERVER, allow_many_connections
from bench.feed.fanout import measure_fanout
from bench.feed.filters import measure_filters
from bench.feed.latency import measure_latency
from bench.feed.peers import install_graphql_ws
from bench.feed.plan import FULL, QUICK, Plan
from bench.feed.plot import plot
from bench.feed.targets import TARGETS
from bench.measuring import Repetition
from bench.suite import Subjects, Suite, run

FANOUT = "abcd"
OTHERS = {"e": measure_filters, "f": measure_catchup, "g": measure_latency}


def _subjects(plan: Plan, letters: Sequence[str]) -> Subjects[Plan]:
    """The four of the fan-out are measured beside one another, for each number of subscribers."""
    fanout = "".join(letter for letter in FANOUT if letter in letters)
    besides = {
        f"{fanout} {clients:,}": partial(measure_fanout, letters=fanout, clients=clients)
        for clients in (plan.clients if fanout else ())
    }
    return {**besides, **{letter: OTHERS[letter] for letter in letters if letter in OTHERS}}


def _drawn(plan: Plan, measured: list[Repetition]) -> Mapping[str, str]:
    return {"clients.svg": plot(report.spreads(measured), plan.clients)}


if __name__ == "__main__":
    allow_many_connections()
    run(
        Suite(
            folder=Path(__file__).parent,
            title="The feed",
            does="Measures how fast events reach subscribers, beside peers and limits, and what they cost.",
            full=FULL,
            quick=QUICK,
            letters=[*FANOUT, *OTHERS],
            targets=TARGETS,
            subjects=_subjects,
            installed={"b": install_graphql_ws, "e": install_graphql_ws},
            environment={
                "servers on": "any core" if SERVER is None else f"core {SERVER}, subscribers on core {CLIENT}"
            },
            drawn=_drawn,
        )
    )
