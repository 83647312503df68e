"""`commander effect-failures`: list, retry and drop failed calls of effects. Each action is recorded."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from commander.cli.dead_letters import as_user
from commander.cli.printing import print_table
from commander.eventstore.reactions.effects import EffectFailure
from commander.resolvers import effects
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService

app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

_COLUMNS = ("effect", "position", "state", "attempts", "failed at", "error")

Effect = Annotated[str, typer.Argument(help="The name of the effect.")]
Position = Annotated[int, typer.Argument(help="The position of the event.")]


@app.command("list")
def list_all(first: Annotated[int, typer.Option(help="The most to list.")] = 100) -> None:
    """List the failed calls that nobody has dropped, oldest first. In a pipe: with tabs."""

    async def show(context: RequestContext[DatabaseService]) -> None:
        found = await effects.effect_failures(context.services.database, first)
        print_table(console, _COLUMNS, [_cells(one) for one in found], "no failed calls")

    as_user(show)


@app.command()
def retry(effect: Effect, position: Position) -> None:
    """Call the effect again for a failed call, with the same key."""

    async def request_retry(context: RequestContext[DatabaseService]) -> None:
        await effects.retry(context, effect, position)
        print(f"{effect} will be called again for position {position}")

    as_user(request_retry)


@app.command()
def drop(effect: Effect, position: Position) -> None:
    """Remove a failed call from the list. The effect is not called again for it."""

    async def take(context: RequestContext[DatabaseService]) -> None:
        await effects.drop(context, effect, position)
        print(f"dropped {effect} for position {position}")

    as_user(take)


def _cells(one: EffectFailure) -> tuple[str, ...]:
    error = " ".join(one.error.split())[:200]
    return one.effect, str(one.position), one.state, str(one.attempts), one.failed_at.isoformat(), error
