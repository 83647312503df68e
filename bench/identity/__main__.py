"""`python -m bench.identity`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from pathlib import Path

from bench.identity.ending import measure_ending
from bench.identity.plan import FULL, QUICK
from bench.identity.targets import TARGETS
from bench.identity.verifying import measure_verifying
from bench.suite import Suite, run

SUBJECTS = {"a": measure_verifying, "b": measure_ending}

if __name__ == "__main__":
    run(
        Suite(
            folder=Path(__file__).parent,
            title="Identity",
            does="Measures what a token costs, and how soon streams end with it.",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=lambda plan, letters: {letter: SUBJECTS[letter] for letter in letters},
            installed={},
        )
    )
