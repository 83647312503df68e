"""`commander dead-letters`: list, show, retry and drop failed commands. Each action is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from commander.cli.joining import join
from commander.cli.printing import print_table
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settled_partitions
from commander.eventstore.log.command_history import dead_letter_action
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Outcome
from commander.parts.process import given_url
from commander.resolvers import dead_letters
from commander.resolvers.request_context import RequestContext, from_process
from commander.resolvers.services import DatabaseService
from commander.settings import Settings, read_settings
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.connection import Nats

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

_COLUMNS = ("command id", "type", "stream", "failed at", "code", "message")

Id = Annotated[UUID, typer.Argument(metavar="COMMAND_ID")]


@dataclass(frozen=True)
class _Stored:
    database: Database


@dataclass(frozen=True)
class _Submitting(_Stored):
    submitter: Submitter


@app.command("list")
def list_all(first: Annotated[int, typer.Option(help="The most to list.")] = 100) -> None:
    """List the dead letters that nobody has retried or dropped, oldest first. In a pipe: with tabs."""

    async def show(context: RequestContext[DatabaseService]) -> None:
        found = await dead_letters.dead_letters(context.services.database, first)
        print_table(console, _COLUMNS, [_cells(one) for one in found], "no dead letters")

    as_user(show)


@app.command()
def show(command_id: Id) -> None:
    """Show a dead letter, and its retry or drop."""

    async def show_one(context: RequestContext[DatabaseService]) -> None:
        database = context.services.database
        one = await outcome_of(database, command_id)
        if one is None:
            raise NotFound(f"there is no command with the id {command_id}")
        for name, value in one._asdict().items():
            if name == "data":
                value = json.dumps(json.loads(one.data), indent=2)
            if name != "digest" and value is not None:
                _show(name, value)
        action = await dead_letter_action(database, command_id)
        if action is not None:
            again = f" as {action.retried_as}" if action.retried_as else ""
            _show(f"{action.action.lower()}{again}", f"by {action.actor} at {action.at}")

    as_user(show_one)


@app.command()
def retry(command_id: Id) -> None:
    """Submit a dead letter again as a new command."""

    async def submit(context: RequestContext[DatabaseService]) -> None:
        database = context.services.database
        settings = read_settings()
        nats = Nats(given_url(settings.nats_url, "COMMANDER_NATS_URL"))
        await join(nats, database)
        await nats.connect("commander dead-letters")
        try:
            submitter = Submitter(nats, await settled_partitions(database))
            again = await dead_letters.retry(from_process(_Submitting(database, submitter)), command_id)
        finally:
            await nats.close()
        console.print(f"submitted again as {again.command_id}")

    as_user(submit)


@app.command()
def drop(command_id: Id) -> None:
    """Remove a dead letter from the list. Its outcome stays."""

    async def take(context: RequestContext[DatabaseService]) -> None:
        await dead_letters.drop(context, command_id)
        console.print(f"dropped {command_id}")

    as_user(take)


def _cells(one: Outcome) -> tuple[str, ...]:
    message = " ".join((one.message or "").split())[:200]
    when = one.decided_at.isoformat(timespec="seconds")
    return str(one.command_id), one.type, one.stream, when, one.code or "", message


def _show(name: str, value: object) -> None:
    """Prints a name and a value. The value is not wrapped and not interpreted as markup."""
    console.print(Text.assemble((name, "bold"), " ", str(value)), soft_wrap=True)


def as_user(work: Callable[[RequestContext[DatabaseService]], Awaitable[None]]) -> None:
    """Runs an action of a user of the command line, with a connection to the database."""
    settings: Settings = read_settings()

    async def connected() -> None:
        database = Database(given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL"))
        try:
            await work(from_process(_Stored(database)))
        finally:
            await database.close()

    asyncio.run(connected())
