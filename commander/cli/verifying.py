"""`commander verify`: checks the stored data against the guarantees. The system may be running."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commander.cli.joining import join
from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.domain.errors import CommanderError
from commander.eventstore.archive.verifying import Broken, verify_log, verify_projection
from commander.eventstore.database import Database
from commander.eventstore.projections.serving import table_for, table_records
from commander.parts.process import given_url
from commander.settings import read_settings
from commander.streaming.commands.verifying import PROMISE, verify_snapshots
from commander.streaming.log.verifying import verify_mirror
from commander.streaming.nats.connection import Nats

console = Console(highlight=False)


class VerificationFailed(CommanderError):
    """A guarantee does not hold. The printed lines say which one and where."""


def run_verify(domain: Domain, snapshots: int) -> None:
    """Prints one line per guarantee. snapshots: the most to compare with a fold of their stream.

    Raises VerificationFailed, SettingsError, Unavailable.
    """
    settings = read_settings()
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    nats_url = given_url(settings.nats_url, "COMMANDER_NATS_URL")
    broken = asyncio.run(_verify(domain, postgres_url, nats_url, snapshots))
    if broken:
        raise VerificationFailed(f"{len(broken)} findings")


async def _verify(domain: Domain, postgres_url: str, nats_url: str, snapshots: int) -> list[Broken]:
    database = Database(postgres_url, command_timeout_seconds=24 * 3600)
    nats = Nats(nats_url)
    try:
        await nats.connect("commander verify")
        await join(nats, database)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            found = _reported("the log is dense; each command has one outcome", await verify_log(database))
            task = progress.add_task(f"the mirror {nats.shown_url}", total=None)
            found += _reported(
                "the mirror is exact",
                await verify_mirror(
                    nats, database, lambda done, all_: progress.update(task, completed=done, total=all_)
                ),
            )
            found += await _projections(domain, database, progress)
            found += await _snapshots(domain, database, snapshots, progress)
        return found
    finally:
        await nats.close()
        await database.close()


async def _projections(domain: Domain, database: Database, progress: Progress) -> list[Broken]:
    """Checks the table of each projection that this code reads."""
    found: list[Broken] = []
    records = await table_records(database, list(domain.projections))
    for name, projection in domain.projections.items():
        table = table_for(projection, records)
        if table is None:
            console.print(f"?   the projection {name} has no table yet")
            continue
        promise = f"the projection {name} is a fold of the log"
        task = progress.add_task(promise, total=None)

        def show_progress(done: int, all_: int, task: int = task) -> None:
            progress.update(task, completed=done, total=all_)  # type: ignore[arg-type]  # a TaskID

        try:
            found += _reported(promise, await verify_projection(database, domain, table, show_progress))
        except (ProjectionFailed, UndecodableEvent) as error:
            found += _reported(promise, [Broken(promise, str(error))])
    return found


async def _snapshots(domain: Domain, database: Database, most: int, progress: Progress) -> list[Broken]:
    task = progress.add_task(PROMISE, total=None)
    compared = await verify_snapshots(
        domain, database, most, lambda done, all_: progress.update(task, completed=done, total=all_)
    )
    counts = f"{compared.done} of {compared.usable} compared"
    return _reported(f"{PROMISE} ({counts})", compared.broken)


def _reported(promise: str, broken: list[Broken]) -> list[Broken]:
    console.print(f"{'no ' if broken else 'ok '} {promise}")
    for one in broken:
        console.print(f"      {one.promise}: {one.detail}")
    return broken
