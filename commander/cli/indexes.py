"""`commander indexes list|drop`: what rules across streams keep of the log."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from commander.cli.dead_letters import as_user
from commander.cli.printing import print_table
from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.locks import Lock, held_keys
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.indexes import LogIndex, all_indexes, drop_index
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

_COLUMNS = ("name", "code", "state")


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
