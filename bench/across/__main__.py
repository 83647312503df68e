"""`python -m bench.across`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.across.claiming import measure_claiming
from bench.across.holding import measure_holding
from bench.across.peers import install_emmett, install_eventsourcing, measure_emmett, measure_eventsourcing
from bench.across.plan import FULL, QUICK, Bench, Plan
from bench.across.targets import targets
from bench.across.transferring import measure_transferring
from bench.across.variants import Variant
from bench.builds import NOW, build_before
from bench.measuring import Measure
from bench.suite import WRITES, Subjects, Suite, carry_out

BEFORE = "84007dc1"
"""The last revision without rules across streams."""
LETTERS = ("a", "b", "c", "d", "e")


def main(
    against: Annotated[str, typer.Option(help="The git revision to compare with.")] = BEFORE,
    before: Annotated[Path | None, typer.Option(help="A checkout of it, instead.")] = None,
    quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="Some of the subjects: a,b")] = ",".join(LETTERS),
    repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
) -> None:
    with build_before(before, against) as earlier:
        unique = Variant("members:members", "a unique address", unique=True)
        plain = Variant("members:members", "plain")
        plain_before = Variant("members:members", "plain, before", earlier)
        measured: dict[str, Callable[[Bench], Awaitable[list[Measure]]]] = {
            "a": partial(measure_claiming, [plain_before, plain, unique]),
            "b": measure_transferring,
            "c": measure_holding,
            "d": measure_eventsourcing,
            "e": measure_emmett,
        }

        async def install() -> None:
            for build in (NOW, earlier):
                await build.install()

        def subjects(_plan: Plan, letters: Sequence[str]) -> Subjects[Plan]:
            return {letter: measured[letter] for letter in letters}

        suite = Suite(
            folder=Path(__file__).parent,
            title="Rules across streams",
            does=main.__doc__ or "",
            full=FULL,
            quick=QUICK,
            letters=LETTERS,
            targets=targets(unique, plain, plain_before),
            subjects=subjects,
            installed={
                "a": install,
                "b": NOW.install,
                "c": NOW.install,
                "d": install_eventsourcing,
                "e": install_emmett,
            },
        )
        carry_out(suite, quick=quick, only=only, repetitions=repetitions)


main.__doc__ = f"Measures what rules across streams cost, beside plain commands, and peers.\n\n{WRITES}"

if __name__ == "__main__":
    typer.run(main)
