"""`python -m bench.latency`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from pathlib import Path

from bench.latency.far import measure_far
from bench.latency.plan import FULL, QUICK
from bench.latency.targets import TARGETS
from bench.suite import Suite, run

SUBJECTS = {"a": measure_far}

if __name__ == "__main__":
    run(
        Suite(
            folder=Path(__file__).parent,
            title="Latency",
            does="Measures what a mutation takes when both servers are far away.",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=lambda plan, letters: {letter: SUBJECTS[letter] for letter in letters},
            installed={},
        )
    )
