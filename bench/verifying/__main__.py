"""`python -m bench.verifying`: measures, and writes results.json and results.md."""

from __future__ import annotations

from pathlib import Path

from bench.suite import Suite, run
from bench.verifying.auditing import measure_auditing
from bench.verifying.plan import FULL, QUICK
from bench.verifying.targets import TARGETS

SUBJECTS = {"a": measure_auditing}

if __name__ == "__main__":
    run(
        Suite(
            folder=Path(__file__).parent,
            title="Verifying",
            does="Measures how fast `commander verify` audits a long log.",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=lambda plan, letters: {letter: SUBJECTS[letter] for letter in letters},
            installed={},
        )
    )
