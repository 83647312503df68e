"""`commander indexes list|wait|drop`: what rules across streams keep of the log."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from commander.cli.dead_letters import as_user
from commander.cli.printing import print_table
from commander.cli.progress import LongWork, Step
from commander.cli.progress_lines import Json
from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.indexes import LogIndex, all_indexes, drop_index
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

_COLUMNS = ("name", "code", "state")
_POLL_SECONDS = 0.2
_POLLS_WITHOUT_BUILDER = 25


class InUse(CommanderError):
    """A processor keeps up the indexes. Stop it first."""


@app.command("list")
def list_all() -> None:
    """List the indexes: unique keys, and tags. In a pipe: with tabs."""

    async def show(context: RequestContext[DatabaseService]) -> None:
        async with context.services.database.connection() as connection:
            found = await all_indexes(connection)
        head = await head_position(context.services.database)
        print_table(console, _COLUMNS, [_cells(one, head) for one in found], "there is none")

    as_user(show)


def _cells(one: LogIndex, head: int) -> tuple[str, ...]:
    """head: of the log, up to which an index is built before it is on."""
    return one.name, one.fingerprint, "on" if one.active else f"built up to {one.position} of {head}"


@app.command()
def wait(json: Json = False) -> None:
    """Show how far the indexes are built, until all are on. A processor builds them when it starts.

    If no process builds them for five seconds, it says what to start.
    """

    async def show(context: RequestContext[DatabaseService]) -> None:
        await _until_on(work, context.services.database)
        work.say("all indexes are on")

    with LongWork("indexes wait", "the processor builds on", as_json=json) as work:
        as_user(show)


async def _until_on(work: LongWork, database: Database) -> None:
    steps: dict[int, Step] = {}
    polls = 0
    while True:
        async with database.connection() as connection:
            building = {one.id: one for one in await all_indexes(connection) if not one.active}
        for id in steps.keys() - building.keys():
            steps.pop(id).end()
        if not building:
            return
        head = await head_position(database)
        for id, one in building.items():
            if id not in steps:
                steps[id] = work.step(f"building {one.name}", "events")
            steps[id].update(one.position, max(head, one.position))
        polls += 1
        if polls == _POLLS_WITHOUT_BUILDER and not await held_keys(database, Lock.LOG_INDEX):
            work.warn("no process builds them: start `commander processor` with the code of the rules")
        await asyncio.sleep(_POLL_SECONDS)


@app.command()
def drop(name: Annotated[str, typer.Argument(help="Its name, see list.")]) -> None:
    """Drop an index, to go back to code without its rule. Code with the rule builds it again at its start."""

    async def take(context: RequestContext[DatabaseService]) -> None:
        database = context.services.database
        if await held_keys(database, Lock.PARTITION):
            raise InUse("a processor is deciding: stop the processors first")
        async with database.connection() as connection:
            if not await drop_index(connection, name):
                raise NotFound(f"there is no index {name}")
        console.print(f"dropped {name}")

    as_user(take)
