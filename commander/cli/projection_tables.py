"""`commander projections list|rebuild|switch|rollback|drop`: manage the tables of projections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.console import Console

from commander.cli.joining import join
from commander.cli.loading import load_domain
from commander.cli.printing import print_table
from commander.cli.progress import LongWork
from commander.cli.progress_lines import Json
from commander.cli.rebuilding import show_differences, until_built
from commander.domain.errors import NotFound, Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.differences import differences
from commander.eventstore.projections.keeping import kept_up
from commander.eventstore.projections.serving import BUILDING, CannotServe, TableRecord, table_records
from commander.parts.process import given_url
from commander.resolvers import projection_tables as tables
from commander.settings import read_settings
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import tables_signal

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Manage the tables of projections. `commander projections [MODULE:DOMAIN]` folds the log into them.",
)
console = Console(highlight=False)

_COLUMNS = ("projection", "table", "state", "serves", "kept up", "position", "behind", "stopped by")
_SHOWN = 20

Name = Annotated[str, typer.Argument(metavar="PROJECTION")]
TableName = Annotated[str | None, typer.Argument(metavar="[TABLE]")]
Diff = Annotated[bool, typer.Option("--diff", help="Only show which rows differ.")]
Behind = Annotated[
    bool, typer.Option("--behind", help="Also switch to a table that no process keeps up with the log.")
]


@app.command("list")
def list_all() -> None:
    """List the tables with their state, position and error. In a pipe: tab-separated lines."""

    async def show(database: Database) -> None:
        records, head = await table_records(database), await head_position(database)
        kept = await kept_up(database, [one.table_name for one in records])
        rows = [_cells(one, head, one.table_name in kept) for one in records]
        print_table(console, _COLUMNS, rows, "there is none")

    _with_database(show)


@app.command()
def rebuild(
    name: Name,
    domain: Annotated[str | None, typer.Option(help="MODULE:DOMAIN; default: COMMANDER_DOMAIN.")] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Do not switch to the table when it is built.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Do not switch to the table, and show which rows differ.")
    ] = False,
    json: Json = False,
) -> None:
    """Build a new table from the whole log while the old one serves, then switch to the new one.

    A running `commander projections` with the same code builds the table. Ctrl-C ends only this command: the
    build continues.
    """

    async def build(database: Database) -> None:
        loaded = load_domain(read_settings(domain=domain).domain)
        before = {one.table_name for one in await table_records(database, [name])}
        made = await tables.rebuild(database, loaded, name, hold=hold or diff)
        if made.table_name in before:
            work.say(f"{made.table_name} is being built already")
        else:
            await _signal(database)
        built = await until_built(work, database, made.table_name)
        serves = " and serves" if built.serving else ""
        work.say(str(built.held_because) if built.is_held else f"{made.table_name} is built{serves}")
        if diff:
            await _differences(work, database, await table_records(database, [name]), made.table_name)

    then = "switch to it with commander projections switch" if hold or diff else "it serves when it is built"
    with LongWork("projections rebuild", f"a build that has begun continues; {then}", as_json=json) as work:
        _with_database(build)


@app.command()
def switch(
    name: Name, table: TableName = None, diff: Diff = False, behind: Behind = False, json: Json = False
) -> None:
    """Switch to another table: the one named, or the newest that is built."""

    async def make(database: Database) -> None:
        chosen = await tables.table_to_switch_to(database, name, table)
        if diff:
            await _differences(work, database, await tables.records_of(database, name), chosen.table_name)
        else:
            work.say(await _serve(database, chosen, behind))

    with LongWork("projections switch", "run it again", as_json=json) as work:
        _with_database(make)


@app.command()
def rollback(name: Name, behind: Behind = False) -> None:
    """Switch back to the table that served before."""

    async def back(database: Database) -> None:
        console.print(await _serve(database, await tables.table_before(database, name), behind))

    _with_database(back)


@app.command()
def drop(name: Name, table: Annotated[str, typer.Argument(metavar="TABLE")]) -> None:
    """Drop a table that does not serve. API processes with other code can still read it: stop them first."""

    async def take(database: Database) -> None:
        await tables.drop(database, name, table)
        await _signal(database)
        console.print(f"dropped {table}")

    _with_database(take)


async def _serve(database: Database, record: TableRecord, behind: bool) -> str:
    """Switches to the table. Returns what to say of it. Raises CannotServe."""
    await tables.serve(database, record, behind=behind)
    await _signal(database)
    return f"{record.table_name} serves"


async def _differences(
    work: LongWork, database: Database, records: list[TableRecord], table_name: str
) -> None:
    served = next((r.table_name for r in records if r.serving), None)
    if served is None or served == table_name:
        raise CannotServe("no other table serves: there is nothing to compare with")
    async with work.step(f"comparing with {served}", "rows").shown():
        found = await differences(database, served, table_name, _SHOWN)
    show_differences(work, served, table_name, found)


def _cells(one: TableRecord, head: int, kept: bool) -> tuple[str, ...]:
    behind = max(0, head - one.position)
    share = f" {one.position / head:.0%}" if one.state == BUILDING and head else ""
    state = f"{one.state}{share}{' inline' if one.inline else ''}"
    reason = one.held_because if one.is_held else one.error or ""
    error = " ".join(reason.split())[:300]
    yes = {True: "yes", False: "no"}
    numbers = str(one.position), str(behind)
    return one.name, one.table_name, state, yes[one.serving], yes[kept], *numbers, error


async def _signal(database: Database) -> None:
    """Publishes the signal that the tables have changed. A process that misses it polls every second."""
    settings = read_settings()
    if settings.nats_url is None:
        return
    nats = Nats(settings.nats_url)
    try:
        async with asyncio.timeout(2):
            await join(nats, database)
            await nats.connect("commander projections")
            await nats.publish_signals([tables_signal(nats.names)])
    except (Unavailable, NotFound, TimeoutError):
        pass  # without a part that has started, nobody listens
    finally:
        await nats.close()


def _with_database(work: Callable[[Database], Awaitable[None]]) -> None:
    settings = read_settings()

    async def connected() -> None:
        database = Database(given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL"))
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(connected())
