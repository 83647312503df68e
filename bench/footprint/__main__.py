"""`python -m bench.footprint`: measures both builds in turn, and writes results.json and results.md."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.builds import NOW, build_before
from bench.footprint.help import measure_help
from bench.footprint.parts import measure_parts
from bench.footprint.plan import FULL, QUICK, Plan
from bench.footprint.targets import TARGETS
from bench.footprint.tree import measure_tree
from bench.suite import WRITES, Subjects, Suite, carry_out

SUBJECTS = {"a": measure_parts, "b": measure_tree, "c": measure_help}


def main(
    against: Annotated[str | None, typer.Option(help="The git revision to compare with.")] = None,
    before: Annotated[Path | None, typer.Option(help="A checkout of it, instead.")] = None,
    quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="Some of the subjects: a,b")] = ",".join(SUBJECTS),
    repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
) -> None:
    if (against is None) is (before is None):
        raise typer.BadParameter("give one of --against and --before")
    with build_before(before, against) as earlier:
        builds = {"now": NOW, "before": earlier}

        async def install() -> None:
            for build in builds.values():
                await build.install()

        def subjects(plan: Plan, letters: Sequence[str]) -> Subjects[Plan]:
            return {
                f"{letter} {name}": partial(SUBJECTS[letter], build)
                for letter in letters
                for name, build in builds.items()
            }

        suite = Suite(
            folder=Path(__file__).parent,
            title="Footprint",
            does=main.__doc__ or "",
            full=FULL,
            quick=QUICK,
            letters=[*SUBJECTS],
            targets=TARGETS,
            subjects=subjects,
            installed={letter: install for letter in SUBJECTS},
        )
        carry_out(suite, quick=quick, only=only, repetitions=repetitions)


main.__doc__ = f"Measures what each process carries, beside an earlier build.\n\n{WRITES}"

if __name__ == "__main__":
    typer.run(main)
