"""`python -m bench.commands`: measures everything in one run, and writes results.json and results.md."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.commands import report
from bench.commands.accepting import measure_accepting
from bench.commands.applying import measure_applying
from bench.commands.inserting import measure_inserting
from bench.commands.peers import install_emmett, install_eventsourcing, measure_emmett, measure_eventsourcing
from bench.commands.plan import FULL, QUICK, Plan
from bench.commands.processor import measure_processor
from bench.commands.publishing import measure_publishing
from bench.commands.running import Bench, Measure, MeasurementFailed, output_of
from commander.domain import CommanderError
from commander.embedded import EmbeddedPostgres
from eventstore.database import Database
from eventstore.migrate import migrate


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Subject:
    """install: what must be there before the first repetition."""

    measure: Callable[[Bench], Awaitable[list[Measure]]]
    install: Callable[[], Awaitable[None]] = _nothing


SUBJECTS = {
    "a": Subject(measure_processor),
    "b": Subject(measure_eventsourcing, install_eventsourcing),
    "c": Subject(measure_emmett, install_emmett),
    "d": Subject(measure_inserting),
    "e": Subject(measure_publishing),
    "f": Subject(measure_accepting),
    "g": Subject(measure_applying),
}


def main(
    quick: Annotated[bool, typer.Option(help="Small counts, once, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="Some of the subjects: a,f")] = ",".join(SUBJECTS),
    repetitions: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
) -> None:
    """Measures how fast commands are stored, decided and answered, beside peers and limits.

    A full run writes results.json and results.md; with --quick or --only the table is only shown.
    """
    letters = [letter.strip() for letter in only.split(",")]
    if unknown := [letter for letter in letters if letter not in SUBJECTS]:
        raise typer.BadParameter(f"{', '.join(unknown)} is not among {', '.join(SUBJECTS)}")
    plan = QUICK if quick else FULL
    plan = replace(plan, repetitions=repetitions or plan.repetitions)
    try:
        measured, environment = asyncio.run(_run(plan, letters))
    except CommanderError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print(report.markdown(measured, environment))
    if not quick and letters == list(SUBJECTS):
        report.write(Path(__file__).parent, plan, measured, environment)


async def _run(plan: Plan, letters: Sequence[str]) -> tuple[list[report.Repetition], dict[str, Any]]:
    """Every subject in turn, again and again, so that a drift of the machine hits all alike."""
    for letter in letters:
        await SUBJECTS[letter].install()
    folder = _folder()
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        await postgres.start()
        bench = Bench(plan, folder, postgres)
        environment = await _prepare(bench)
        measured = [
            await _repetition(bench, letters, f"{number} of {plan.repetitions}")
            for number in range(1, plan.repetitions + 1)
        ]
    finally:
        await postgres.stop()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return measured, environment


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="commander-bench-"))
    folder.chmod(0o711)  # Postgres may run as another user
    return folder


async def _repetition(bench: Bench, letters: Sequence[str], label: str) -> report.Repetition:
    load = os.getloadavg()[0]
    measures: list[Measure] = []
    for letter in letters:
        found = await SUBJECTS[letter].measure(bench)
        for measure in found:
            print(f"{label}  {letter}  {measure.name}: {measure.value:,.1f} {measure.unit}", file=sys.stderr)
        measures += found
    return report.Repetition(load, tuple(measures))


async def _prepare(bench: Bench) -> dict[str, Any]:
    """Makes the template of all databases; says on what is measured. Raises MeasurementFailed.

    What does not sync to disk is not measured.
    """
    database = Database(bench.postgres.url)
    try:
        await migrate(database)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            if (value := await database.fetchval(f"show {setting}")) != "on":
                raise MeasurementFailed(f"Postgres runs with {setting} = {value}")
        postgres = await database.fetchval("show server_version")
    finally:
        await database.close()
    async with bench.nats() as nats:
        version = nats.client.connected_server_version
    node = (await output_of(["node", "--version"])).decode().strip().removeprefix("v")
    return {
        **report.machine(),
        "Postgres": postgres,
        "NATS": f"{version.major}.{version.minor}.{version.patch}",
        "node": node,
    }


if __name__ == "__main__":
    typer.run(main)
