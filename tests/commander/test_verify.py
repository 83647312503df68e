"""`commander verify` says ok of a sound system, and names what is broken in another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.snapshots import save_snapshots
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, Withdraw
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.projections.projecting import Projector
from tests.commander.conftest import Run
from tests.faults.waiting import until
from tests.streaming.conftest import Bank, running, servers

__all__ = ["servers"]

Break = Callable[[Bank, Table], Awaitable[object]]


async def worked(servers: Bank) -> Table:
    """Some accounts, a mirror and a projection of them; returns the projection's table."""
    table = Table(bank.projections["account"])
    await ensure_tables(servers.database, [Table(projection) for projection in bank.projections.values()])
    relay = Relay(servers.database, servers.nats)
    projector = Projector(bank, servers.database, servers.nats, table)
    async with running(servers.processor().run()), running(relay.run()), running(projector.run()):
        for _ in range(5):
            account = uuid4()
            for command in (
                OpenAccount("Ada", account),
                Deposit(account, Decimal("7.50")),
                Withdraw(account, Decimal(99)),
            ):
                await servers.outcome(await servers.submit(command))
        head = await head_position(servers.database)
        await until(lambda: relay.position == head and projector.position == head, "all have followed")
    return table


async def verified(servers: Bank, commander: Run, nats: EmbeddedNats, *options: str) -> tuple[int, str]:
    """How it ended, and all that it said."""
    url = servers.database.url
    ended = await asyncio.to_thread(
        commander,
        "verify",
        "commander.examples.bank:bank",
        *options,
        COMMANDER_POSTGRES_URL=url,
        COMMANDER_NATS_URL=nats.url,
    )
    return ended.returncode, " ".join((ended.stdout + ended.stderr).split())


async def test_a_sound_system_is_ok(servers: Bank, commander: Run, nats_server: EmbeddedNats) -> None:
    await worked(servers)
    code, told = await verified(servers, commander, nats_server)
    assert code == 0, told
    for promise in (
        "ok the log is dense; each command has one outcome",
        "ok the mirror is exact",
        "ok the projection account is a fold of the log",
        "ok the projection transfer is a fold of the log",
    ):
        assert promise in told


async def forced(database: Database, statement: str) -> None:
    """Past the triggers that keep the log as it is."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(statement)


async def another_message(nats: Nats) -> None:
    await nats.jetstream.publish("events.account.AccountOpened.account-1", b"{}")


BREAKS: dict[str, tuple[Break, str]] = {
    "event": (
        lambda s, _: forced(s.database, "delete from events where position = 3"),
        "there are 9 events",
    ),
    "version": (
        lambda s, _: forced(s.database, "update events set version = 9 where position = 2"),
        "of versions 1 to 9",
    ),
    "outcome": (
        lambda s, _: forced(s.database, "update commands set event_count = 2 where number = 1"),
        "says 2 events, the log has 1",
    ),
    "count": (
        lambda s, _: forced(s.database, "update commands set number = 16 where number = 15"),
        "there are 15 outcomes, the newest has number 16",
    ),
    "row": (
        lambda s, t: forced(s.database, f'update "{t.name}" set balance = balance + 1'),
        "no the projection account is a fold of the log",
    ),
    "message": (
        lambda s, _: forced(s.database, """update events set data = '{"x": 1}' where position = 4"""),
        "message 4 differs from the event at this position",
    ),
    "beyond": (lambda s, _: another_message(s.nats), "EVENTS ends at 11, the log at 10"),
}


@pytest.mark.parametrize("what", BREAKS)
async def test_what_is_broken_is_named(
    servers: Bank, commander: Run, nats_server: EmbeddedNats, what: str
) -> None:
    broken, told = BREAKS[what]
    await broken(servers, await worked(servers))
    code, said = await verified(servers, commander, nats_server)
    assert (code, told in said) == (1, True), said


@pytest.mark.parametrize(
    ("change", "code", "finding"),
    [
        ("", 0, "ok each snapshot is a fold of its stream (2 of 4 compared)"),
        (
            "set state = jsonb_set(state::jsonb, '{balance}', '\"5000.00\"')::json",
            1,
            "balance is Decimal('5000.00'), ",
        ),
        ("set fingerprint = 'other', state = '{}'", 0, "(0 of 0 compared)"),
    ],
)
async def test_snapshots_are_compared_with_folds(
    servers: Bank, commander: Run, nats_server: EmbeddedNats, change: str, code: int, finding: str
) -> None:
    await worked(servers)
    streams = [row["stream"] for row in await servers.database.fetch("select distinct stream from events")]
    states = AggregateCache(bank, capacity=10, snapshot_every=2)
    async with servers.database.connection() as connection:
        await states.load(connection, streams)
        await save_snapshots(connection, states.due_snapshots(streams[:4]))
    if change:
        await servers.database.fetch(f"update snapshots {change}")
    ended, said = await verified(servers, commander, nats_server, "--snapshots", "2")
    assert (ended, finding in said) == (code, True), said
    if code:
        assert "account-" in said
        assert "at version 2: balance" in said
        assert "the fold gives Decimal('7.50')" in said
