"""The output of the command line for a table that is being built: progress, time left, differences."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys, lock_key
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.differences import Differences
from commander.eventstore.projections.serving import BUILT, TableRecord, table_records

_POLL_SECONDS = 0.2
_POLLS_WITHOUT_BUILDER = 25


class BuildStopped(CommanderError):
    """The table cannot be built: its code raised on an event, or it was dropped. The message says which."""


async def until_built(database: Database, table_name: str) -> TableRecord:
    """Shows the progress on standard error until the table is built. Raises BuildStopped.

    If no process builds the table for five seconds, it says what to start.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=10) as progress:
        task = progress.add_task(table_name, total=None)
        polls = 0
        while True:
            record = await _found(database, table_name)
            head = await head_position(database)
            progress.update(task, completed=record.position, total=max(head, record.position))
            if record.state == BUILT:
                return record
            if record.error is not None:
                raise BuildStopped(record.error)
            polls += 1
            if polls == _POLLS_WITHOUT_BUILDER and not await _kept(database, table_name):
                progress.console.print(
                    "no process builds it: start `commander projections` with this code", highlight=False
                )
            await asyncio.sleep(_POLL_SECONDS)


async def _found(database: Database, table_name: str) -> TableRecord:
    for record in await table_records(database):
        if record.table_name == table_name:
            return record
    raise BuildStopped(f"{table_name} was dropped")


async def _kept(database: Database, table_name: str) -> bool:
    return lock_key(table_name) in await held_keys(database, Lock.PROJECTION)


def show_differences(console: Console, before: str, after: str, found: Differences) -> None:
    """Prints each row that differs: - before, + after."""

    def show(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    show(f"- {before} at position {found.positions[0]}", "red")
    show(f"+ {after} at position {found.positions[1]}", "green")
    if found.positions[0] != found.positions[1]:
        show("the positions differ, so rows can differ because of the events in between")
    for sign, names in (("-", found.only_before), ("+", found.only_after)):
        if names:
            show(f"{sign} columns {', '.join(names)}")
    for one in found.first:
        show(one.key, "bold")
        show(f"  - {_shown(one.before)}", "red")
        show(f"  + {_shown(one.after)}", "green")
    more = found.total - len(found.first)
    show(f"{found.total} rows differ{f', {more} of them not shown' if more else ''}")


def _shown(row: dict[str, str] | None) -> str:
    return "no row" if row is None else " ".join(f"{name}={value}" for name, value in row.items())
