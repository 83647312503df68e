"""`commander reactors list|failures|retry|skip|replay`: positions, parked keys, and rebuilding states."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from commander.cli.dead_letters import as_user
from commander.cli.joining import join
from commander.cli.loading import load_domain
from commander.cli.printing import print_table
from commander.cli.progress import LongWork
from commander.cli.progress_lines import Json
from commander.domain import CommanderError, Domain
from commander.domain.errors import NotFound, Unavailable
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, lock_key, try_lock
from commander.eventstore.log.checkpoints import settled_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.pending import UndecidedReactions, undecided_reactions
from commander.eventstore.reactions.parked import list_parked
from commander.eventstore.reactions.reactors import (
    ReactorStatus,
    forget_states,
    reactor_checkpoints,
    reactor_statuses,
    states_with_deadlines,
)
from commander.eventstore.reactions.state_code import states_are_of
from commander.parts.process import given_url
from commander.resolvers import reactor_failures
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService
from commander.settings import read_settings
from commander.streaming.commands.sending_again import send_again
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.clock import Clock
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import queue_depth
from commander.streaming.reactors.reactions import Reacting
from commander.streaming.reactors.replaying import replayed, take_back_deadlines

app = typer.Typer(
    no_args_is_help=True, help="Reactors: list them, retry or skip what failed, rebuild their states."
)
console = Console(highlight=False)

Reactor = Annotated[str, typer.Argument(metavar="REACTOR", help="The name of the reactor.")]

_COLUMNS = (
    *("reactor", "position", "of", "states", "parked", "undecided", "missing"),
    *("stopped", "failed at", "error"),
)
_GO_ON = "the part reactors goes on with the states when it starts; or replay again from the beginning"
_LOOK_SECONDS = 3.0
"""How long NATS may take to say which stream COMMANDS there is."""


class ReactorRuns(CommanderError):
    """A reactor cannot be replayed while it runs: stop the part `reactors` first."""


@app.command("list")
def list_all() -> None:
    """List all reactors that have run. In a pipe: tab-separated lines.

    undecided: how many of its commands have no outcome yet. missing: how many of those NATS has lost; they
    are sent again while a processor or the part reactors runs. It is ? if NATS does not answer.
    """
    settings = read_settings()

    async def show(database: Database) -> None:
        head, found = await reactor_statuses(database)
        created = await _stream_created(database, settings.nats_url)
        sent = await undecided_reactions(database, created)
        lines = [_cells(one, head, sent.get(one.name), known=created is not None) for one in found]
        print_table(console, _COLUMNS, lines, "no reactor has run")

    _with_database(show)


@app.command()
def failures(
    reactor: Annotated[str | None, typer.Argument(metavar="[REACTOR]", help="Only its keys.")] = None,
    first: Annotated[int, typer.Option(help="The most to list.")] = 100,
    traceback: Annotated[bool, typer.Option("--traceback", help="Print each traceback too.")] = False,
) -> None:
    """List the parked keys in the order in which they were parked, as tab-separated lines."""

    async def show(database: Database) -> None:
        for one in await list_parked(database, reactor, 0, first):
            error = " ".join(one.error.split())[:200]
            what = (one.reactor, one.key, one.state, one.position, one.event_type, one.attempts)
            print("\t".join(map(str, (*what, one.parked_at.isoformat(timespec="seconds"), error))))
            if traceback:
                print(one.traceback)

    _with_database(show)


@app.command()
def retry(
    reactor: Reactor,
    key: Annotated[str | None, typer.Argument(help="The parked key.")] = None,
    all_keys: Annotated[bool, typer.Option("--all", help="All parked keys of the reactor.")] = False,
) -> None:
    """Handle the failing event of a parked key again, then its later events."""
    if (key is None) != all_keys:
        raise typer.BadParameter("give either a key or --all")

    async def request_retry(context: RequestContext[DatabaseService]) -> None:
        for parked in await reactor_failures.retry(context, reactor, key):
            print(f"{reactor} will handle the event at position {parked.position} again")

    as_user(request_retry)


@app.command()
def skip(reactor: Reactor, key: Annotated[str, typer.Argument(help="The parked key.")]) -> None:
    """Pass over the failing event of a parked key for ever, and handle its later events."""

    async def request_skip(context: RequestContext[DatabaseService]) -> None:
        parked = await reactor_failures.skip(context, reactor, key)
        print(f"{reactor} skips the event at position {parked.position}")

    as_user(request_skip)


@app.command()
def replay(
    name: Annotated[str, typer.Argument(metavar="REACTOR")],
    domain: Annotated[str | None, typer.Option(help="MODULE:DOMAIN; default: COMMANDER_DOMAIN.")] = None,
    skip: Annotated[
        bool,
        typer.Option(
            "--skip", help="Also skip all events that it has not reacted to yet. It never reacts to them."
        ),
    ] = False,
    send: Annotated[
        bool,
        typer.Option(
            "--send", help="Also send its commands again that have no outcome, in case NATS has lost them."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Rebuild the states of a reactor from the log, up to its position. No command is sent without --send."""
    settings = read_settings(domain=domain)
    loaded = load_domain(settings.domain)
    stored = loaded.names.stored("reactor", name)
    if stored is None:
        known = ", ".join(sorted(loaded.reactors)) or "none"
        raise NotFound(f"the domain {loaded.name} has no reactor {name}; it has {known}")

    async def work(database: Database) -> None:
        await _replay(long, database, settings.nats_url, loaded, stored, skip)
        if send:
            async with long.step("sending again", "commands").shown():
                count = await _send_again(database, settings.nats_url, stored)
            long.say(f"{count:,} commands of {stored} that have no outcome are sent again")

    with LongWork("reactors replay", _GO_ON, as_json=json) as long:
        _with_database(work)


async def _replay(
    long: LongWork, database: Database, nats_url: str | None, domain: Domain, name: str, skip: bool
) -> None:
    connection = await database.connect("commander reactors replay", durable=False)
    try:
        if not await try_lock(connection, Lock.REACTORS, lock_key(name)):
            raise ReactorRuns(f"the reactor {name} runs; stop the part reactors first")
        await _take_back(long, database, connection, nats_url, name)
        await forget_states(connection, name, position=await head_position(database) if skip else None)
        partitions = await settled_partitions(database)
        checkpoints = await reactor_checkpoints(connection, name, range(partitions))
        least = min((at.position for at in checkpoints.values()), default=0)
        if domain.reactors[name].key is not None:
            await states_are_of(connection, name, domain.fingerprint_of(domain.reactors[name]))
            reacting = Reacting(domain, database, domain.reactors[name], partitions, Clock())
            step = long.step(f"replaying {name}", "events", least)
            async for position in replayed(connection, database, reacting, checkpoints):
                step.update(position)
            step.end()
        long.say(f"{name} is at position {least:,}; no command was sent")
    finally:
        connection.terminate()


async def _take_back(
    long: LongWork, database: Database, connection: Connection, nats_url: str | None, name: str
) -> None:
    """Takes back the deadlines of the states that will be deleted. NATS is needed only if there are any."""
    if await anext(states_with_deadlines(connection, name), None) is None:
        return
    nats = Nats(given_url(nats_url, "COMMANDER_NATS_URL"))
    try:
        await join(nats, database)
        await nats.connect("commander reactors replay")
        async with long.step("taking deadlines back", "deadlines").shown():
            count = await take_back_deadlines(connection, nats, name)
    finally:
        await nats.close()
    long.say(f"{count:,} deadlines are taken back; those of the new states are set when {name} runs")


async def _send_again(database: Database, nats_url: str | None, name: str) -> int:
    nats = Nats(given_url(nats_url, "COMMANDER_NATS_URL"))
    try:
        await join(nats, database)
        await nats.connect("commander reactors replay")
        return await send_again(database, Submitter(nats, await settled_partitions(database)), name)
    finally:
        await nats.close()


async def _stream_created(database: Database, nats_url: str | None) -> datetime | None:
    """When the stream COMMANDS was created; None if NATS does not say."""
    if nats_url is None:
        return None
    nats = Nats(nats_url)
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await join(nats, database)
            await nats.connect("commander reactors list")
            return (await queue_depth(nats)).created
    except (Unavailable, NotFound, TimeoutError):
        return None
    finally:
        await nats.close()


def _cells(one: ReactorStatus, head: int, sent: UndecidedReactions | None, *, known: bool) -> tuple[str, ...]:
    stopped = f"{one.stopped} of {one.partitions}" if one.stopped else ""
    failed = "" if one.failed_position is None else str(one.failed_position)
    error = " ".join((one.error or "").split())
    parked = str(one.parked or "")
    undecided = "" if sent is None else str(sent.undecided)
    missing = "" if sent is None else str(sent.missing or "") if known else "?"
    numbers = str(one.position), str(head), str(one.states)
    return one.name, *numbers, parked, undecided, missing, stopped, failed, error


def _with_database(work: Callable[[Database], Awaitable[None]]) -> None:
    settings = read_settings()

    async def connected() -> None:
        database = Database(given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL"))
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(connected())
