"""`python -m bench.projections`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from pathlib import Path

from bench.projections.cost import measure_cost
from bench.projections.lag import measure_lag
from bench.projections.peers import install_eventsourcing, measure_eventsourcing
from bench.projections.plan import FULL, QUICK
from bench.projections.rebuild import measure_rebuild
from bench.projections.targets import TARGETS
from bench.suite import Suite, run

SUBJECTS = {
    "a": measure_rebuild,
    "b": measure_eventsourcing,
    "c": measure_lag,
    "d": measure_cost,
}

if __name__ == "__main__":
    run(
        Suite(
            folder=Path(__file__).parent,
            title="Projections",
            does="Measures how fast a table is filled, how far it is behind, and what a long history costs.",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=lambda plan, letters: {letter: SUBJECTS[letter] for letter in letters},
            installed={"b": install_eventsourcing},
        )
    )
