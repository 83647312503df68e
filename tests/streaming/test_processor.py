"""The processor: one outcome per command, in order, by one owner, whatever is sent twice or dies."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from commander import Domain
from commander.domain.digests import stored_digest
from commander.examples.bank.messages import Deposit, OpenAccount, Withdraw
from commander.streaming.commands.messages import command_subject
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.commands.partition_reader import PartitionReader
from commander.streaming.leases import ProcessorLeases
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.publishing import publish_atomically
from tests.names import NAMES
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted


async def test_commands_of_a_stream_are_decided_in_the_order_submitted(servers: Bank) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await servers.submit(OpenAccount("Ada", account))
        ids = [await servers.submit(Deposit(account, Decimal(n))) for n in range(1, 101)]
        await servers.outcome(ids[-1])
    amounts = [event.data for event in await servers.log() if event.type == "MoneyDeposited"]
    assert [f'"amount":"{n}"' in data for n, data in enumerate(amounts, 1)] == [True] * 100
    assert [event.position for event in await servers.log()] == list(range(1, 102))
    assert [event.version for event in await servers.log()] == list(range(1, 102))


async def test_a_command_sent_many_times_is_decided_once(servers: Bank) -> None:
    account, command_id = uuid4(), uuid4()
    async with running(servers.processor(batch_size=3).run()):
        await servers.submit(OpenAccount("Ada", account))
        for _ in range(10):
            await servers.submit(Deposit(account, Decimal(5)), command_id=command_id)
        last = await servers.submit(Deposit(account, Decimal(7)))
        await servers.outcome(last)
        # and again, when the first outcome is long known
        await servers.submit(Deposit(account, Decimal(5)), command_id=command_id)
        await servers.outcome(await servers.submit(Deposit(account, Decimal(8))))
    assert [event.type for event in await servers.log()] == ["AccountOpened", *["MoneyDeposited"] * 3]


async def test_an_id_used_on_two_partitions_at_once_has_one_outcome(servers: Bank) -> None:
    command_id = uuid4()
    async with running(servers.processor(batch_size=1).run()), running(servers.processor(batch_size=1).run()):
        for _ in range(20):
            await servers.submit(OpenAccount("Ada", uuid4()), command_id=command_id)
        await servers.outcome(await servers.submit(OpenAccount("Eve", uuid4())))
        async with asyncio.timeout(10):
            while len(await servers.log()) < 2:
                await asyncio.sleep(0.01)
    assert [e.command_id for e in await servers.log()].count(command_id) == 1


async def test_a_fresh_command_that_has_ended_after_all_is_not_decided_again(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    """Its outcome is not looked up. The commit finds it, and the processor keeps its partitions."""
    caplog.set_level(logging.INFO)
    waiter = OutcomeWaiter(servers.nats, servers.database)
    await waiter.start()
    account, processor = uuid4(), servers.processor(batch_size=1)
    async with running(processor.run()):
        opening = structs.replace(submitted(OpenAccount("Ada", account), reply=waiter.reply), fresh=True)
        await servers.submitter.submit(opening)
        for _ in range(10):  # more batches than are remembered
            await servers.outcome(await servers.submit(Deposit(account, Decimal(1))))
        with waiter.expect(opening.command_id) as expected:
            await servers.submitter.submit(opening)
            later = await servers.submit(Deposit(account, Decimal(2)))
            async with asyncio.timeout(10):
                assert (await expected._future).position == 1  # Postgres is not asked
        assert (await servers.outcome(later)).version == 12
        assert len(processor.owned) == PARTITIONS
    assert [event.version for event in await servers.log()] == list(range(1, 13))
    assert sum("deciding partitions" in line for line in caplog.messages) == 2
    assert not any("another writer" in line for line in caplog.messages), "the leases were lost"


async def test_a_fresh_command_is_looked_up_by_the_next_owner(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    """The one before may have decided it."""
    caplog.set_level(logging.INFO)
    opening = structs.replace(submitted(OpenAccount("Ada", uuid4())), fresh=True)
    async with running(servers.processor().run()):
        await servers.submitter.submit(opening)
        await servers.outcome(opening.command_id)
    await servers.submitter.submit(opening)
    async with running(servers.processor().run()):
        await servers.outcome(await servers.submit(OpenAccount("Eve", uuid4())))
    assert len(await servers.log()) == 2
    assert not any("decided again" in line for line in caplog.messages)


async def test_deciding_waits_neither_for_a_check_of_the_sharing_nor_for_a_purge(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take trips to a server, which may be far."""
    begun = {"check": asyncio.Event(), "purge": asyncio.Event()}
    for owner, name in ((ProcessorLeases, "is_balanced"), (PartitionReader, "purge")):
        what = "check" if name == "is_balanced" else "purge"

        async def never(*_: object, event: asyncio.Event = begun[what]) -> None:
            event.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(owner, name, never)
    async with running(servers.processor(purge_seconds=0.1).run()):
        async with asyncio.timeout(10):
            for event in begun.values():
                await event.wait()
        for _ in range(3):
            await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))


async def test_the_outcome_reaches_who_waits_and_is_told_again(servers: Bank) -> None:
    waiter = OutcomeWaiter(servers.nats, servers.database)
    await waiter.start()
    account = uuid4()
    message = submitted(OpenAccount("Ada", account), reply=waiter.reply)
    async with running(servers.processor().run()):
        for _ in range(2):
            with waiter.expect(message.command_id) as expected:
                await servers.submitter.submit(message)
                ended = await expected.outcome(timeout_seconds=10)
            assert ended is not None
            assert (ended.status, ended.position, ended.version) == ("APPLIED", 1, 1)
            assert ended.digest == stored_digest(message.type, bytes(message.data))
            assert [event.type for event in ended.events] == ["AccountOpened"]


async def test_an_outcome_whose_announcement_is_lost_is_found_in_postgres(servers: Bank) -> None:
    waiter = OutcomeWaiter(servers.nats, servers.database)
    await waiter.start()
    message = submitted(OpenAccount("Ada", uuid4()), reply="nobody.listens")
    async with running(servers.processor().run()):
        with waiter.expect(message.command_id) as expected:
            await servers.submitter.submit(message)
            ended = await expected.outcome(timeout_seconds=10)
    assert ended is not None
    assert [event.type for event in ended.events] == ["AccountOpened"]


async def test_a_wait_that_is_too_short_ends_without_an_outcome(servers: Bank) -> None:
    waiter = OutcomeWaiter(servers.nats, servers.database)
    await waiter.start()
    with waiter.expect(uuid4()) as expected:
        assert await expected.outcome(timeout_seconds=0.01) is None
    assert not waiter._waiting


@pytest.mark.parametrize(("expected", "status"), [(0, "REJECTED"), (1, "APPLIED"), (2, "REJECTED")])
async def test_an_expected_version_must_be_the_streams(servers: Bank, expected: int, status: str) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await servers.submit(OpenAccount("Ada", account))
        outcome = await servers.outcome(
            await servers.submit(Deposit(account, Decimal(1)), expected_version=expected)
        )
    assert outcome.status == status
    assert outcome.code == (None if status == "APPLIED" else "VERSION_CONFLICT")
    assert outcome.version == (2 if status == "APPLIED" else 1)


async def test_a_rejection_is_an_outcome_without_events(servers: Bank) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await servers.submit(OpenAccount("Ada", account))
        outcome = await servers.outcome(await servers.submit(Withdraw(account, Decimal(1))))
    assert (outcome.status, outcome.code, outcome.event_count) == ("REJECTED", "INSUFFICIENT_FUNDS", 0)
    assert outcome.position == 1  # the head when it was decided


async def test_a_new_processor_goes_on_where_the_last_one_committed(servers: Bank) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", account)))
    waiting = [await servers.submit(Deposit(account, Decimal(1))) for _ in range(20)]
    async with running(servers.processor(batch_size=7).run()):
        await servers.outcome(waiting[-1])
    assert [event.version for event in await servers.log()] == list(range(1, 22))


async def test_decided_commands_are_purged_and_the_rest_stay(servers: Bank) -> None:
    async with running(servers.processor(purge_seconds=0.1).run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
        async with asyncio.timeout(10):
            while (await servers.nats.jetstream.stream_info("COMMANDS")).state.messages:
                await asyncio.sleep(0.01)
    await servers.submit(OpenAccount("Eve", uuid4()))
    assert (await servers.nats.jetstream.stream_info("COMMANDS")).state.messages == 1


async def test_a_stream_made_anew_is_read_from_its_beginning(servers: Bank) -> None:
    from commander.streaming.nats.streams import ensure_streams

    async with running(servers.processor().run()):
        for _ in range(5):
            await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
        await servers.nats.jetstream.delete_stream("COMMANDS")
        await ensure_streams(servers.nats, 1)
        outcome = await servers.outcome(await servers.submit(OpenAccount("Eve", uuid4())), 20)
    assert outcome.status == "APPLIED"


async def test_what_is_no_command_is_passed_over(servers: Bank) -> None:
    garbage = [OutMessage(command_subject(NAMES, p, "x"), b"garbage", {}) for p in range(PARTITIONS)]
    await publish_atomically(servers.nats, garbage)
    async with running(servers.processor().run()):
        outcome = await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
    assert outcome.status == "APPLIED"


async def test_two_processors_share_the_partitions_and_one_takes_over(servers: Bank) -> None:
    first, second = servers.processor(), servers.processor()
    async with running(first.run()):
        async with running(second.run()):
            async with asyncio.timeout(10):
                while {len(first.owned), len(second.owned)} != {PARTITIONS // 2}:
                    await asyncio.sleep(0.01)
            assert not set(first.owned) & set(second.owned)
        async with asyncio.timeout(10):
            while len(first.owned) < PARTITIONS:
                await asyncio.sleep(0.01)


async def test_a_processor_that_lost_its_session_is_fenced(servers: Bank) -> None:
    account = uuid4()
    processor = servers.processor()
    async with running(processor.run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", account)))
        ended = await servers.database.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 "
            "and datname = current_database()",
            "commander processor",
        )
        assert len(ended) == 1
        ids = [await servers.submit(Deposit(account, Decimal(1))) for _ in range(10)]
        await servers.outcome(ids[-1])
    assert [event.version for event in await servers.log()] == list(range(1, 12))


bad = Domain("bad")


@bad.event
@dataclass(frozen=True)
class Counted:
    counter_id: UUID


@bad.command
@dataclass(frozen=True)
class Count:
    counter_id: UUID
    how: str


@bad.aggregate(key="counter_id")
@dataclass(frozen=True)
class Counter:
    count: int = 0

    def decide(self, command: Count) -> Counted:
        match command.how:
            case "raise":
                raise RuntimeError("boom")
            case "nonsense":
                return "nonsense"  # type: ignore[return-value]
            case "poison":
                return Counted("no uuid")  # type: ignore[arg-type]
        return Counted(command.counter_id)

    def counted(self, event: Counted) -> Counter:
        return replace(self, count=self.count + 1)


@pytest.mark.parametrize(
    ("how", "code"),
    [("raise", "DECIDER_RAISED"), ("nonsense", "INVALID_DECISION"), ("poison", "INVALID_DECISION")],
)
async def test_a_decider_that_misbehaves_fails_its_command_alone(servers: Bank, how: str, code: str) -> None:
    counter = uuid4()
    async with running(servers.processor(bad).run()):
        before = await servers.submit(Count(counter, "well"), bad)
        failed = await servers.outcome(await servers.submit(Count(counter, how), bad))
        after = await servers.outcome(await servers.submit(Count(counter, "well"), bad))
        assert (await servers.outcome(before)).status == "APPLIED"
    assert (failed.status, failed.code, failed.event_count) == ("FAILED", code, 0)
    assert (after.status, after.version) == ("APPLIED", 2)
