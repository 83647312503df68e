"""`python -m bench.projections`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import report
from bench.measuring import Measure, Measuring, Repetition, measure_in_turn
from bench.projections.cost import measure_cost
from bench.projections.lag import measure_lag
from bench.projections.peers import install_eventsourcing, measure_eventsourcing
from bench.projections.plan import FULL, QUICK, Bench, Plan
from bench.projections.rebuild import measure_rebuild
from bench.projections.targets import TARGETS
from commander.domain import CommanderError


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Subject:
    """install: what must be there before the first repetition."""

    measure: Callable[[Bench], Awaitable[list[Measure]]]
    install: Callable[[], Awaitable[None]] = _nothing


SUBJECTS = {
    "a": Subject(measure_rebuild),
    "b": Subject(measure_eventsourcing, install_eventsourcing),
    "c": Subject(measure_lag),
    "d": Subject(measure_cost),
}


def main(
    quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="Some of the subjects: a")] = ",".join(SUBJECTS),
    repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
) -> None:
    """Measures how fast a projection's table is filled, beside a peer.

    A full run writes results.json and results.md; with --quick or --only the table is only shown.
    """
    letters = [letter.strip() for letter in only.split(",")]
    if unknown := [letter for letter in letters if letter not in SUBJECTS]:
        raise typer.BadParameter(f"{', '.join(unknown)} is not among {', '.join(SUBJECTS)}")
    plan = QUICK if quick else FULL
    plan = replace(plan, repetitions=repetitions or plan.repetitions)
    try:
        measured, environment = asyncio.run(_measure(plan, letters))
    except CommanderError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print(report.markdown(TARGETS, measured, environment))
    if not quick and letters == list(SUBJECTS):
        report.write(Path(__file__).parent, "Projections", plan, TARGETS, measured, environment)


async def _measure(plan: Plan, letters: Sequence[str]) -> tuple[list[Repetition], dict[str, Any]]:
    for letter in letters:
        await SUBJECTS[letter].install()
    return await measure_in_turn({letter: _measuring(plan, letter) for letter in letters}, plan.repetitions)


def _measuring(plan: Plan, letter: str) -> Measuring:
    return lambda servers: SUBJECTS[letter].measure(Bench(servers.folder, servers.postgres, plan))


if __name__ == "__main__":
    typer.run(main)
