"""`python -m bench.rights`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.builds import NOW, build_before
from bench.feed.cores import allow_many_connections
from bench.rights.accepting import measure_accepting
from bench.rights.feeding import Crowd, measure_feed
from bench.rights.plan import FULL, QUICK, Plan
from bench.rights.targets import targets
from bench.rights.variants import Variant
from bench.suite import WRITES, Subjects, Suite, carry_out

BEFORE = "2e5878a4"
"""The last revision without identity and rules."""
LETTERS = ("a", "b")
DIFFERENT = (1, 10)
"""How many different rules the subscribers have, where they have rules."""


def main(
    against: Annotated[str, typer.Option(help="The git revision to compare with.")] = BEFORE,
    before: Annotated[Path | None, typer.Option(help="A checkout of it, instead.")] = None,
    quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="Some of the subjects: a,b")] = ",".join(LETTERS),
    repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
) -> None:
    allow_many_connections()
    with build_before(before, against) as earlier:
        ruled = Variant("50 rules", NOW, ruled=True)
        plain = [Variant("no rules", NOW), Variant("no rules, before", earlier)]
        crowds = [Crowd(ruled, rules) for rules in DIFFERENT]

        async def install() -> None:
            for build in (NOW, earlier):
                await build.install()

        def subjects(plan: Plan, letters: Sequence[str]) -> Subjects[Plan]:
            feeding = [*(Crowd(one, 0) for one in plain), *crowds] if "b" in letters else []
            accepting = {"a": partial(measure_accepting, [*plain, ruled])} if "a" in letters else {}
            return {
                **accepting,
                **{f"b {crowd.name}": partial(measure_feed, crowd) for crowd in feeding},
            }

        suite = Suite(
            folder=Path(__file__).parent,
            title="Rights",
            does=main.__doc__ or "",
            full=FULL,
            quick=QUICK,
            letters=LETTERS,
            targets=targets(ruled, plain, crowds),
            subjects=subjects,
            installed={letter: install for letter in LETTERS},
        )
        carry_out(suite, quick=quick, only=only, repetitions=repetitions)


main.__doc__ = f"Measures what rules cost, beside the same without rules, and an earlier build.\n\n{WRITES}"

if __name__ == "__main__":
    typer.run(main)
