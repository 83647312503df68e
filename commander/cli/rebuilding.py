"""The output of the command line for a table that is being built: its progress, and its differences."""

from __future__ import annotations

import asyncio

from commander.cli.progress import LongWork
from commander.cli.progress_lines import Differs
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


async def until_built(work: LongWork, database: Database, table_name: str) -> TableRecord:
    """Shows the progress until the table is built. Raises BuildStopped.

    If no process builds the table for five seconds, it says what to start.
    """
    step = work.step(f"building {table_name}", "events")
    polls = 0
    while True:
        record = await _found(database, table_name)
        head = await head_position(database)
        step.update(record.position, max(head, record.position))
        if record.state == BUILT:
            step.end()
            return record
        if record.error is not None:
            raise BuildStopped(record.error)
        polls += 1
        if polls == _POLLS_WITHOUT_BUILDER and not await _kept(database, table_name):
            work.warn("no process builds it: start `commander projections` with this code")
        await asyncio.sleep(_POLL_SECONDS)


async def _found(database: Database, table_name: str) -> TableRecord:
    for record in await table_records(database):
        if record.table_name == table_name:
            return record
    raise BuildStopped(f"{table_name} was dropped")


async def _kept(database: Database, table_name: str) -> bool:
    return lock_key(table_name) in await held_keys(database, Lock.PROJECTION)


def show_differences(work: LongWork, before: str, after: str, found: Differences) -> None:
    """Shows each row that differs: - before, + after."""
    work.say(f"- {before} at position {found.positions[0]}", style="red")
    work.say(f"+ {after} at position {found.positions[1]}", style="green")
    if found.positions[0] != found.positions[1]:
        work.say("the positions differ, so rows can differ because of the events in between")
    for sign, names in (("-", found.only_before), ("+", found.only_after)):
        if names:
            work.say(f"{sign} columns {', '.join(names)}")
    for one in found.first:
        text = f"{one.key}\n  - {_shown(one.before)}\n  + {_shown(one.after)}"
        work.say(text, Differs(work.name, one.key, one.before, one.after))
    more = found.total - len(found.first)
    work.say(f"{found.total} rows differ{f', {more} of them not shown' if more else ''}")


def _shown(row: dict[str, str] | None) -> str:
    return "no row" if row is None else " ".join(f"{name}={value}" for name, value in row.items())
