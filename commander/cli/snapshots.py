"""`commander snapshots drop`: for a change of code that fingerprints do not see."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from commander.cli.loading import load_domain
from commander.cli.progress import LongWork
from commander.cli.progress_lines import Json
from commander.domain import Domain
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys
from commander.eventstore.log.snapshots import drop_snapshots
from commander.parts.process import given_url
from commander.settings import read_settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, although it has one command."""


@app.command()
def drop(
    aggregate: Annotated[
        str | None, typer.Argument(help="The name of an aggregate. Default: all aggregates.")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="MODULE:DOMAIN; default: COMMANDER_DOMAIN.")] = None,
    json: Json = False,
) -> None:
    """Drop the snapshots of an aggregate, or all. Its streams are then read from their beginnings.

    Processors take new snapshots as streams grow.
    """
    stored = (
        None
        if aggregate is None
        else _stored_name(load_domain(read_settings(domain=domain).domain), aggregate)
    )

    async def take() -> tuple[int, bool]:
        database = Database(given_url(read_settings().postgres_url, "COMMANDER_POSTGRES_URL"))
        try:
            async with work.step("dropping snapshots").shown():
                count = await drop_snapshots(database, stored)
            return count, bool(await held_keys(database, Lock.PROCESSORS))
        finally:
            await database.close()

    with LongWork("snapshots drop", "run it again", as_json=json) as work:
        count, running = asyncio.run(take())
        work.say(f"dropped {count} snapshots")
        if running:
            work.say(
                "processors are running: restart them, because they keep the states that they have loaded"
            )


def _stored_name(domain: Domain, name: str) -> str:
    found = domain.aggregate_type(name)
    if found is None:
        known = ", ".join(sorted(domain.aggregates))
        raise NotFound(f"the domain {domain.name} has no aggregate {name}; it has {known}")
    return found.stored_name
