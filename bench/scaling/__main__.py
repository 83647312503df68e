"""`python -m bench.scaling`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from pathlib import Path

from bench.scaling.beside import measure_beside_a_snapshot
from bench.scaling.deciding import measure_deciding
from bench.scaling.dying import measure_dying
from bench.scaling.finding import measure_finding
from bench.scaling.joining import measure_joining
from bench.scaling.plan import FULL, QUICK
from bench.scaling.reacting import measure_reacting
from bench.scaling.targets import TARGETS
from bench.suite import Suite, run

SUBJECTS = {
    "a": measure_deciding,
    "b": measure_joining,
    "c": measure_reacting,
    "d": measure_dying,
    "e": measure_finding,
    "f": measure_beside_a_snapshot,
}

if __name__ == "__main__":
    run(
        Suite(
            folder=Path(__file__).parent,
            title="Scaling",
            does="Measures what a second process brings, and what a death costs.",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=lambda plan, letters: {letter: SUBJECTS[letter] for letter in letters},
            installed={},
        )
    )
