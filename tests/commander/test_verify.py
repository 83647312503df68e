"""`commander verify` says ok of a sound system, and names what is broken in another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from commander.cli.auditing import grouped
from commander.dev.embedded import EmbeddedNats
from commander.eventstore.audit.findings import Audit, Check, Finding, Show, begun
from commander.eventstore.audit.log_pages import LogPage
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.snapshots import save_snapshots
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, Withdraw
from commander.streaming.audit.checks import all_checks
from commander.streaming.audit.snapshots import SNAPSHOTS
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.log.relay import Relay
from commander.streaming.projections.projecting import Projector
from tests.commander.conftest import Run
from tests.commander.damages import forced
from tests.faults.waiting import until
from tests.streaming.conftest import Bank, running, servers

__all__ = ["servers"]


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


async def verified(
    servers: Bank, commander: Run, nats: EmbeddedNats, *options: str, command: str = "verify"
) -> tuple[int, str]:
    """How it ended, and all that it said."""
    url = servers.database.url
    ended = await asyncio.to_thread(
        commander,
        command,
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
        "ok the log is dense, and its events are those of its outcomes",
        "ok each message of the mirror is its event",
        "ok the projection account is a fold of the log",
        "ok the projection transfer is a fold of the log",
    ):
        assert promise in told


async def test_what_is_broken_is_named_and_mended(
    servers: Bank, commander: Run, nats_server: EmbeddedNats
) -> None:
    """The kinds of damage are in test_repair.py. This is what the command line says of some."""
    table = await worked(servers)
    await forced(servers.database, "delete from events where position = 3")
    await servers.database.fetch(f'delete from "{table.name}"')
    code, said = await verified(servers, commander, nats_server)
    assert code == 1
    for told in (
        "no the log is dense, and its events are those of its outcomes",
        "no the projection account is a fold of the log",
        f"projection fails {table.name} it cannot be folded",
        "event missing position 3 the log has no event here write the event again, from the mirror",
        "findings",
    ):
        assert told in said
    code, said = await verified(servers, commander, nats_server, command="repair")
    assert code == 1
    assert "would write the event again, from the mirror: 3" in said
    assert "nothing was changed, --apply does it" in said
    code, said = await verified(servers, commander, nats_server, "--apply", command="repair")
    assert code == 0, said
    assert f"fold the log again, and write the rows that differ: {table.name}" in said
    assert (await verified(servers, commander, nats_server))[0] == 0


async def test_what_is_lost_is_told(servers: Bank, commander: Run, nats_server: EmbeddedNats) -> None:
    await worked(servers)
    await forced(servers.database, "delete from events where position = 3")
    await servers.nats.jetstream.purge_stream(servers.nats.names.events, keep=2)
    code, said = await verified(servers, commander, nats_server, command="repair")
    assert code == 1
    assert "no: the event at position 3 is lost: the mirror does not have it" in said
    assert "EVENTS up to 8 the mirror begins at 9" in said


async def test_a_system_that_works_meanwhile_is_sound(servers: Bank) -> None:
    """Nothing seems to be damaged only because it moves between two reads."""
    tables = [Table(projection) for projection in bank.projections.values()]
    await ensure_tables(servers.database, tables)
    relay, projector = (
        Relay(servers.database, servers.nats),
        Projector(bank, servers.database, servers.nats, tables[0]),
    )

    async def work() -> None:
        account = uuid4()
        while True:
            for command in (
                OpenAccount("Ada", account),
                Deposit(account, Decimal(1)),
                Withdraw(account, Decimal(9)),
            ):
                await servers.submit(command)
            await asyncio.sleep(0)

    async with (
        running(servers.processor().run()),
        running(relay.run()),
        running(projector.run()),
        running(work()),
    ):
        for round_ in range(1, 4):
            await until(lambda round_=round_: relay.position > 20 * round_ < projector.position, "it works")
            audit = await begun(bank, servers.database)
            for check in all_checks(bank, servers.nats):
                found = [one async for one in check.run(audit, lambda done, all_: None)]
                assert found == [], check.promise


async def test_a_pass_over_the_log_has_a_bound_of_snapshots(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So memory is bounded. Those that are left have a pass of their own."""
    monkeypatch.setattr("commander.streaming.audit.snapshots._STATES", 2)
    await worked(servers)
    rows = await servers.database.fetch("select distinct stream from events order by stream")
    streams = [row["stream"] for row in rows]
    states = AggregateCache(bank, capacity=10, snapshot_every=1)
    async with servers.database.connection() as connection:
        await states.load(connection, streams)
        await save_snapshots(connection, states.due_snapshots(streams))
    audit = await begun(bank, servers.database)
    passes = 0

    def pages(up_to: int) -> AsyncGenerator[LogPage, None]:
        nonlocal passes
        passes += 1
        return audit.pages(up_to)

    async def found() -> list[Finding]:
        shared = replace(audit, pages=pages)
        return [one async for one in SNAPSHOTS.run(shared, lambda done, all_: None)]

    assert (await found(), passes) == ([], 3)
    change = "set state = jsonb_set(state::jsonb, '{balance}', '\"1\"')::json"
    await servers.database.fetch(f"update snapshots {change}")
    assert sorted(one.where for one in await found()) == [f"{stream} at version 2" for stream in streams]


def test_folds_share_the_log_on_all_cores_but_one() -> None:
    checks = [Check(str(n), _nothing, folds=n in (1, 3, 4)) for n in range(6)]
    assert grouped(checks, 1) == grouped(checks, 2) == [[0], [2], [5], [1, 3, 4]]
    assert grouped(checks, 3) == [[0], [2], [5], [1, 4], [3]]
    assert grouped(checks, 8) == [[0], [2], [5], [1], [3], [4]]
    assert grouped(checks[:1], 8) == [[0]]
    many = grouped([Check(str(n), _nothing, folds=True) for n in range(20)], 1)
    assert sorted(number for group in many for number in group) == [*range(20)]
    assert max(map(len, many)) <= 6


async def _nothing(audit: Audit, show: Show) -> AsyncGenerator[Finding, None]:
    return
    yield


@pytest.mark.parametrize(
    ("change", "code", "finding"),
    [
        ("", 0, "ok each snapshot is a fold of its stream"),
        (
            "set state = jsonb_set(state::jsonb, '{balance}', '\"5000.00\"')::json",
            1,
            "balance is Decimal('5000.00'), ",
        ),
        ("set fingerprint = 'other', state = '{}'", 0, "ok each snapshot is a fold of its stream"),
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
        assert "at version 2 balance" in said
        assert "the fold gives Decimal('7.50')" in said
