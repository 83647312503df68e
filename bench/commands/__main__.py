"""`python -m bench.commands`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from pathlib import Path

from bench.commands.accepting import measure_accepting
from bench.commands.applying import measure_applying
from bench.commands.inserting import measure_inserting
from bench.commands.peers import install_emmett, install_eventsourcing, measure_emmett, measure_eventsourcing
from bench.commands.plan import FULL, QUICK
from bench.commands.processor import measure_processor
from bench.commands.publishing import measure_publishing
from bench.commands.targets import TARGETS
from bench.suite import Suite, run

SUBJECTS = {
    "a": measure_processor,
    "b": measure_eventsourcing,
    "c": measure_emmett,
    "d": measure_inserting,
    "e": measure_publishing,
    "f": measure_accepting,
    "g": measure_applying,
}

if __name__ == "__main__":
    run(
        Suite(
            folder=Path(__file__).parent,
            title="Commands",
            does="Measures how fast commands are stored, decided and answered, beside peers and limits.",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=lambda plan, letters: {letter: SUBJECTS[letter] for letter in letters},
            installed={"b": install_eventsourcing, "c": install_emmett},
        )
    )
