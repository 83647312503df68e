"""`python -m bench.feed`: measures everything in one run; writes results.json, results.md and clients.svg."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import report
from bench.feed.catchup import measure_catchup
from bench.feed.cores import CLIENT, SERVER, allow_many_connections
from bench.feed.fanout import measure_fanout
from bench.feed.filters import measure_filters
from bench.feed.latency import measure_latency
from bench.feed.peers import install_graphql_ws
from bench.feed.plan import FULL, QUICK, Bench, Plan
from bench.feed.plot import plot
from bench.feed.targets import TARGETS
from bench.measuring import Measure, Measuring, Repetition, measure_in_turn
from bench.servers import Servers
from commander.domain import CommanderError

FANOUT = "abcd"
OTHERS = {"e": measure_filters, "f": measure_catchup, "g": measure_latency}
LETTERS = [*FANOUT, *OTHERS]
_HERE = Path(__file__).parent


def main(
    quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="Some of the subjects: a,f")] = ",".join(LETTERS),
    repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
) -> None:
    """Measures how fast events reach subscribers, beside peers and limits, and what subscribers cost.

    A full run writes results.json, results.md and clients.svg; --quick and --only only show the table.
    """
    letters = [letter.strip() for letter in only.split(",")]
    if unknown := [letter for letter in letters if letter not in LETTERS]:
        raise typer.BadParameter(f"{', '.join(unknown)} is not among {', '.join(LETTERS)}")
    plan = QUICK if quick else FULL
    plan = replace(plan, repetitions=repetitions or plan.repetitions)
    try:
        measured, environment = asyncio.run(_measure(plan, letters))
    except CommanderError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print(report.markdown(TARGETS, measured, environment))
    if not quick and letters == LETTERS:
        report.write(_HERE, "The feed", plan, TARGETS, measured, environment)
        (_HERE / "clients.svg").write_text(plot(report.spreads(measured), plan.clients))


async def _measure(plan: Plan, letters: Sequence[str]) -> tuple[list[Repetition], dict[str, Any]]:
    allow_many_connections()
    if {"b", "e"} & {*letters}:
        await install_graphql_ws()
    measured, environment = await measure_in_turn(_subjects(plan, letters), plan.repetitions)
    cores = "any core" if SERVER is None else f"core {SERVER}, subscribers on core {CLIENT}"
    return measured, {**environment, "servers on": cores}


def _subjects(plan: Plan, letters: Sequence[str]) -> dict[str, Measuring]:
    """The four of the fan-out are measured beside one another, for each number of subscribers."""
    subjects: dict[str, Measuring] = {}
    if fanout := "".join(letter for letter in FANOUT if letter in letters):
        for clients in plan.clients:
            measure = partial(measure_fanout, letters=fanout, clients=clients)
            subjects[f"{fanout} {clients:,}"] = _measuring(plan, measure)
    for letter, measure_other in OTHERS.items():
        if letter in letters:
            subjects[letter] = _measuring(plan, measure_other)
    return subjects


def _measuring(plan: Plan, measure: Callable[[Bench], Awaitable[list[Measure]]]) -> Measuring:
    def measuring(servers: Servers) -> Awaitable[list[Measure]]:
        return measure(Bench(servers.folder, servers.postgres, plan))

    return measuring


if __name__ == "__main__":
    typer.run(main)
