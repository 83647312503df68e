"""`commander verify`: checks the stored data against the guarantees. The system may be running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from commander.cli.joining import joined_with_any_epoch
from commander.domain import Domain
from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.audit.findings import Audit, Check, Finding, begun
from commander.eventstore.database import Database
from commander.parts.process import given_url
from commander.settings import read_settings
from commander.streaming.audit.checks import all_checks
from commander.streaming.nats.connection import Nats

console = Console(highlight=False)
_COLUMNS = ("what", "where", "found", "commander repair can")


class VerificationFailed(CommanderError):
    """A guarantee does not hold. The printed lines say which one and where."""


def run_verify(domain: Domain, snapshots: int | None) -> None:
    """Prints one line per guarantee, then a table of the findings. snapshots: the most to compare; None: all.

    Raises VerificationFailed, SettingsError, Unavailable.
    """
    settings = read_settings()
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    nats_url = given_url(settings.nats_url, "COMMANDER_NATS_URL")
    found = asyncio.run(_verify(domain, postgres_url, nats_url, snapshots))
    if found:
        show(found)
        raise VerificationFailed(f"{len(found)} findings")


async def _verify(domain: Domain, postgres_url: str, nats_url: str, snapshots: int | None) -> list[Finding]:
    database = Database(postgres_url, command_timeout_seconds=24 * 3600)
    nats = Nats(nats_url)
    try:
        await nats.connect("commander verify")
        await joined_with_any_epoch(nats, database)
        return await audited(await begun(domain, database, snapshots), all_checks(domain, nats))
    finally:
        await nats.close()
        await database.close()


async def audited(audit: Audit, checks: Sequence[Check]) -> list[Finding]:
    """Runs checks, one after the other, and prints a line for each. Returns all that they find.

    Raises Unavailable.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    found: list[Finding] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for check in checks:
            task = progress.add_task(check.promise, total=None)
            of_check: list[Finding] = []
            try:
                async for finding in check.run(audit, partial(_show_progress, progress, task)):
                    of_check.append(finding)
            except Unavailable:
                raise
            except CommanderError as error:  # the other checks go on
                console.print(f"?   {check.promise}: {error}")
            else:
                console.print(f"{'no ' if of_check else 'ok '} {check.promise}")
            progress.remove_task(task)
            found += of_check
    return found


def _show_progress(progress: Progress, task: TaskID, done: int, all_: int) -> None:
    progress.update(task, completed=done, total=all_)


def show(found: Sequence[Finding]) -> None:
    """Prints findings as a table; in a pipe: as tab-separated lines."""
    table = Table(*_COLUMNS, show_lines=True)
    for one in found:
        cells = one.kind, one.where, one.what, one.repair.mend if one.repair else "nothing"
        if console.is_terminal:
            table.add_row(*map(Text, cells))
        else:
            print("\t".join(" ".join(cell.split()) for cell in cells))
    if console.is_terminal:
        console.print(table)
