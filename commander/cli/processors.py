"""`commander processors list|waiting|fail|forget`: the code that runs, and what waits for other code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from commander.cli.dead_letters import as_user
from commander.cli.joining import join
from commander.cli.loading import load_domain
from commander.cli.printing import print_table
from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.sharing import Refusal, Session, forget_code, refusals, sessions
from commander.parts.process import given_url
from commander.resolvers.ending import give_up
from commander.resolvers.request_context import RequestContext, from_process
from commander.resolvers.services import DatabaseService
from commander.settings import read_settings
from commander.streaming.nats.connection import Nats

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

_SESSIONS = ("part", "host", "process", "domain", "code", "partitions", "commands", "events", "aggregates")
_WAITING = ("part", "partition", "code", "since", "before")


@dataclass(frozen=True)
class _Ending:
    domain: Domain
    database: Database
    nats: Nats


@app.command("list")
def list_all() -> None:
    """List the running processors and reactors with their code and what it knows. In a pipe: with tabs."""

    async def show(context: RequestContext[DatabaseService]) -> None:
        print_table(
            console,
            _SESSIONS,
            [_cells(one) for one in await sessions(context.services.database)],
            "none runs",
        )

    as_user(show)


@app.command()
def waiting() -> None:
    """List the partitions that wait for other code, with what each lacks. In a pipe: with tabs."""

    async def show(context: RequestContext[DatabaseService]) -> None:
        found = [one for one in await refusals(context.services.database) if not one.settled]
        print_table(console, _WAITING, [_cells_of_refusal(one) for one in found], "no partition waits")

    as_user(show)


@app.command()
def forget(code: Annotated[str, typer.Argument(help="Its fingerprint, see list and waiting.")]) -> None:
    """Forget a code that will not run again, so that older reactors and effects no longer wait for it.

    They then pass over the events that only this code knows.
    """

    async def delete(context: RequestContext[DatabaseService]) -> None:
        await forget_code(context.services.database, code)
        console.print(f"forgot the code {code}")

    as_user(delete)


@app.command()
def fail(
    command_id: Annotated[UUID, typer.Argument(metavar="COMMAND_ID")],
    reason: Annotated[str, typer.Option(help="Why; it is stored with the outcome.")],
) -> None:
    """Fail a command that a partition waits before, and that no code will ever decide: a dead letter."""

    async def end(context: RequestContext[DatabaseService]) -> None:
        settings = read_settings()
        nats = Nats(given_url(settings.nats_url, "COMMANDER_NATS_URL"))
        await nats.connect("commander processors")
        try:
            await join(nats, context.services.database)
            services = _Ending(load_domain(settings.domain), context.services.database, nats)
            ended = await give_up(from_process(services), command_id, reason)
        finally:
            await nats.close()
        console.print(f"{command_id} {ended.status} {ended.code or ''}".rstrip())

    as_user(end)


def _cells(one: Session) -> tuple[str, ...]:
    events = " ".join(f"{name}:{version}" for name, version in one.events.items())
    part = one.application.removeprefix("commander ")
    known = (" ".join(one.commands), events, " ".join(one.aggregates))
    return part, one.host, str(one.process), one.domain, one.fingerprint, str(one.owned), *known


def _cells_of_refusal(one: Refusal) -> tuple[str, ...]:
    since = one.refused_at.isoformat(timespec="seconds")
    part = one.application.removeprefix("commander ")
    return part, str(one.partition), one.fingerprint, since, one.needs
