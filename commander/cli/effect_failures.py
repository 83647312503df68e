"""`commander effect-failures`: failed calls from the command line; who did what is recorded."""

from __future__ import annotations

from typing import Annotated

import typer

from commander.cli.dead_letters import as_user
from commander.resolvers import effects
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService

app = typer.Typer(no_args_is_help=True)

Effect = Annotated[str, typer.Argument(help="The effect's name.")]
Position = Annotated[int, typer.Argument(help="The position of the event.")]


@app.command("list")
def list_all(first: Annotated[int, typer.Option(help="How many at the most.")] = 100) -> None:
    """List the failed calls nobody has dealt with, the oldest first, as lines with tabs."""

    async def show(context: RequestContext[DatabaseService]) -> None:
        for one in await effects.effect_failures(context.services.database, first):
            said = " ".join(one.error.split())[:200]
            cells = (one.effect, one.position, one.state, one.attempts, one.failed_at.isoformat(), said)
            print("\t".join(map(str, cells)))

    as_user(show)


@app.command()
def retry(effect: Effect, position: Position) -> None:
    """Have a failed call made again, with the same key."""

    async def ask(context: RequestContext[DatabaseService]) -> None:
        await effects.retry(context, effect, position)
        print(f"{effect} will be called again for position {position}")

    as_user(ask)


@app.command()
def drop(effect: Effect, position: Position) -> None:
    """Take a failed call off the list, for good."""

    async def take(context: RequestContext[DatabaseService]) -> None:
        await effects.drop(context, effect, position)
        print(f"dropped {effect} for position {position}")

    as_user(take)
