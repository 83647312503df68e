"""Clocks that are wrong for a while: deadlines come in time, and somebody is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from commander.dev.embedded import EmbeddedPostgres
from commander.domain import Domain
from commander.eventstore.audit.findings import begun
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.migrate import migrate
from commander.eventstore.records import RecordedEvent
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer
from commander.streaming.audit.reactor_states import states_checks
from commander.streaming.clocks import ClockWatch
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.reacting import ReactorRunner
from tests.clusters import Clusters
from tests.faults.part_process import PartProcess
from tests.streaming.conftest import PARTITIONS, Bank, running, settle_as, until_reacted
from tests.streaming.filling import fill
from tests.streaming.orders import Order, Pay, orders

HOUR = timedelta(hours=1)
LOOKS = 2_500
"""How often a test looks for what must come, with a pause of 20 ms each time."""


def found_library() -> Path | None:
    """libfaketime, as Debian's package `faketime` installs it."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


needs_faketime = pytest.mark.skipif(
    found_library() is None, reason="libfaketime is not installed: apt-get install faketime"
)


class Shifted:
    """A wall clock that processes started with `environment` have, and that can be set while they run."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)  # Postgres may run as another user
        self._file = folder / "clock"
        self.set(timedelta())

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(found_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead: timedelta) -> None:
        after = self._file.with_suffix(".new")
        after.write_text(f"{ahead.total_seconds():+.0f}\n")
        after.rename(self._file)


@pytest.fixture
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Shifted:
    folder = tmp_path_factory.mktemp("clock")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    return Shifted(folder)


@pytest_asyncio.fixture
async def far_from_right(
    clusters: Clusters, shifted: Shifted, nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bank]:
    """A Postgres whose clock is `shifted`, and the NATS of all tests."""
    postgres = EmbeddedPostgres(clusters.copy("shifted"))
    with monkeypatch.context() as patch:
        for name, value in shifted.environment.items():
            patch.setenv(name, value)
        await postgres.start()
    database = Database(postgres.url)
    try:
        await migrate(database)
        await settle_partitions(database, PARTITIONS)
        await settle_as(database, nats.names.identity)
        yield Bank(database, nats, Submitter(nats, PARTITIONS))
    finally:
        await database.close()
        await postgres.stop()


async def until(servers: Bank, condition: Callable[[list[RecordedEvent]], bool], what: str) -> None:
    """Returns once the condition holds for the log. Fails after so many looks, and not after so many seconds:
    a look takes longer while the machine is busy, as what it waits for does."""
    for _ in range(LOOKS):
        if condition(await servers.log()):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"not in {LOOKS} looks: {what}")


async def until_logged(servers: Bank, type_: str, count: int = 1) -> None:
    def logged(log: list[RecordedEvent]) -> bool:
        return [event.type for event in log].count(type_) >= count

    await until(servers, logged, f"{count} events {type_}")


async def until_started(servers: Bank, part: PartProcess) -> None:
    """Until the reactors have their partitions."""

    def started(_: list[RecordedEvent]) -> bool:
        assert part.process.poll() is None, part.log.read_text()
        return bool(part.lines("reactor transfers: partitions"))

    await until(servers, started, "the start of the reactors")


def runner(servers: Bank, domain: Domain, name: str) -> ReactorRunner:
    return ReactorRunner(domain, servers.database, servers.nats, servers.submitter, domain.reactors[name])


@needs_faketime
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_deadlines_come_in_time_while_and_after_the_clock_of_postgres_has_jumped(
    far_from_right: Bank,
    shifted: Shifted,
    jump: timedelta,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers, watch = far_from_right, ClockWatch(far_from_right.nats, far_from_right.database)
    await watch.measure()
    assert not caplog.records
    async with running(servers.processor(orders).run()), running(runner(servers, orders, "payment").run()):
        before = await servers.outcome(await servers.submit(Order(uuid4(), "Ada"), orders))
        await until_logged(servers, "Abandoned")
        shifted.set(jump)
        jumped = await servers.outcome(await servers.submit(Order(uuid4(), "Bob"), orders))
        await until_logged(servers, "Abandoned", 2)
        await watch.measure()
        assert abs(watch.differences.postgres - jump) < timedelta(minutes=1)
        await servers.outcome(await servers.submit(Order(uuid4(), "Eve"), orders))
        await until_logged(servers, "Abandoned", 3)
        shifted.set(timedelta())
        paid = uuid4()
        await servers.submit(Order(paid, "Dan"), orders)
        after = await servers.outcome(await servers.submit(Pay(paid), orders))
        await servers.submit(Order(uuid4(), "Kim"), orders)
        await until_logged(servers, "Abandoned", 4)
        await until_logged(servers, "Shipped")
        monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(minutes=5))
        await servers.outcome(await servers.submit(Order(uuid4(), "Zoe"), orders))
        await until_reacted(servers, "payment")
    audit = await begun(orders, servers.database)
    [check] = [one for one in states_checks(orders) if "payment" in one.promise]
    assert [finding async for finding in check.run(audit, lambda *_: None)] == []
    times = [event.recorded_at for event in await servers.log()]
    assert times == sorted(times)
    if jump == HOUR:
        assert jumped.decided_at - before.decided_at > timedelta(minutes=59)
        await watch.measure()
        held = watch.differences.recorded_at
        assert timedelta(minutes=58) < held < HOUR and after.decided_at >= jumped.decided_at


@needs_faketime
async def test_a_difference_is_told_once_and_again_when_it_is_gone(
    far_from_right: Bank, shifted: Shifted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "commander.clocks")
    watch = ClockWatch(far_from_right.nats, far_from_right.database)
    shifted.set(HOUR)
    for _ in range(3):
        await watch.measure()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the clock of Postgres is 36" in caplog.text
    await fill(far_from_right.database, 1)
    shifted.set(timedelta())
    await watch.measure()
    assert "recorded_at stands still for 3" in caplog.text
    assert "no longer true: the clock of Postgres is 36" in caplog.text


@needs_faketime
async def test_a_reactors_process_an_hour_ahead_fires_no_deadline_early(
    database: Database, nats: Nats, shifted: Shifted, tmp_path: Path
) -> None:
    """The deadline of a transfer is in five minutes: it completes, and does not expire."""
    await settle_partitions(database, PARTITIONS)
    await settle_as(database, nats.names.identity)
    servers = Bank(database, nats, Submitter(nats, PARTITIONS))
    shifted.set(HOUR)
    environment = {
        "COMMANDER_POSTGRES_URL": database.url,
        "COMMANDER_NATS_URL": nats.servers[0],
        "COMMANDER_PARTITIONS": str(PARTITIONS),
        "COMMANDER_HEALTH_PORT": "0",
        **shifted.environment,
    }
    source, target = uuid4(), uuid4()
    with PartProcess("reactors", tmp_path, environment, fork=False) as part:
        await until_started(servers, part)
        async with running(servers.processor().run()):
            opened = OpenAccount("Ada", source), OpenAccount("Bob", target)
            for command in (
                *opened,
                Deposit(source, Decimal(9)),
                RequestTransfer(source, target, Decimal(5)),
            ):
                await servers.outcome(await servers.submit(command))
            await until_logged(servers, "TransferCompleted")
        assert part.lines("the clock of this process is 36")
    assert "TransferExpired" not in [event.type for event in await servers.log()]
