"""What `python -m bench.<suite>` does: its subjects are measured in turn, shown, and written beside it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import typer

from bench import report
from bench.measuring import Measure, Measuring, Repetition, measure_in_turn
from bench.report import Target
from bench.servers import Servers
from commander.domain import CommanderError


@dataclass(frozen=True)
class Counts:
    """How much of everything one run measures; each suite adds its own."""

    repetitions: int


P = TypeVar("P", bound=Counts)


@dataclass(frozen=True)
class Bench(Servers, Generic[P]):
    """The servers, and how much is measured on them."""

    plan: P


Subjects = Mapping[str, Callable[[Bench[P]], Awaitable[list[Measure]]]]


@dataclass(frozen=True)
class Suite(Generic[P]):
    """does: for --help. subjects: what is measured for some of the letters, by what is shown meanwhile.

    installed: what must be there before the first repetition, by letter. environment: more of what the
    numbers depend on. drawn: further files beside the results, by name.
    """

    folder: Path
    title: str
    does: str
    full: P
    quick: P
    letters: Sequence[str]
    targets: Sequence[Target]
    subjects: Callable[[P, Sequence[str]], Subjects[P]]
    installed: Mapping[str, Callable[[], Awaitable[None]]]
    environment: Mapping[str, Any] = field(default_factory=dict)
    drawn: Callable[[P, list[Repetition]], Mapping[str, str]] = lambda plan, measured: {}


WRITES = "A full run writes its results; with --quick or --only they are only shown."


def run(suite: Suite[P]) -> None:
    """Runs the command line of a suite."""

    def main(
        quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
        only: Annotated[str, typer.Option(help="Some of the subjects: a,b")] = ",".join(suite.letters),
        repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
    ) -> None:
        carry_out(suite, quick=quick, only=only, repetitions=repetitions)

    main.__doc__ = f"{suite.does}\n\n{WRITES}"
    typer.run(main)


def carry_out(suite: Suite[P], *, quick: bool, only: str, repetitions: int | None) -> None:
    """Measures, shows, and writes the results of a full run."""
    letters = [letter.strip() for letter in only.split(",")]
    if unknown := [letter for letter in letters if letter not in suite.letters]:
        raise typer.BadParameter(f"{', '.join(unknown)} is not among {', '.join(suite.letters)}")
    plan = suite.quick if quick else suite.full
    plan = replace(plan, repetitions=repetitions or plan.repetitions)
    try:
        measured, environment = asyncio.run(_measure(suite, plan, letters))
    except CommanderError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print(report.markdown(suite.targets, measured, environment))
    if not quick and letters == [*suite.letters]:
        report.write(suite.folder, suite.title, plan, suite.targets, measured, environment)
        for name, text in suite.drawn(plan, measured).items():
            (suite.folder / name).write_text(text)


async def _measure(
    suite: Suite[P], plan: P, letters: Sequence[str]
) -> tuple[list[Repetition], dict[str, Any]]:
    for letter in letters:
        if letter in suite.installed:
            await suite.installed[letter]()
    subjects = {name: _on(plan, measure) for name, measure in suite.subjects(plan, letters).items()}
    measured, environment = await measure_in_turn(subjects, plan.repetitions)
    return measured, {**environment, **suite.environment}


def _on(plan: P, measure: Callable[[Bench[P]], Awaitable[list[Measure]]]) -> Measuring:
    return lambda servers: measure(Bench(servers.folder, servers.postgres, plan))
