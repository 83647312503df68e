"""A batch: what has ended, or is about to, is not decided again, and everyone who asked is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import msgspec

from commander.eventstore.projections.inline import InlineProjections
from commander.eventstore.records import Progress, SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.command_batch import CommandBatch
from commander.streaming.commands.outcomes import Ended, OutcomeWaiter, outcome_signals
from tests.snapshots import stored_snapshots
from tests.streaming.conftest import Bank, submitted

decoder = msgspec.json.Decoder(list[Ended])
NOTHING_READ = Progress((), 0, None)


async def decided(
    servers: Bank, states: AggregateCache, commands: Sequence[SubmittedCommand], *recent: CommandBatch
) -> CommandBatch:
    batch = CommandBatch(commands, NOTHING_READ, recent)
    await batch.look_up(servers.database, states)
    await batch.decide(bank, servers.database, states, datetime.now(UTC))
    return batch


async def end(servers: Bank, batch: CommandBatch) -> None:
    """Commits and announces."""
    async with servers.database.connection() as connection:
        await batch.commit(connection, InlineProjections(bank))
    await batch.announce(servers.nats, servers.database)


async def waiting(servers: Bank) -> OutcomeWaiter:
    waiter = OutcomeWaiter(servers.nats, servers.database)
    await waiter.start()
    return waiter


async def told(
    waiter: OutcomeWaiter, command: SubmittedCommand, *batches: tuple[Bank, CommandBatch]
) -> Ended:
    """What is announced of a command while these batches end."""
    with waiter.expect(command.command_id) as expected:
        for servers, batch in batches:
            await end(servers, batch)
        async with asyncio.timeout(10):
            return await expected._future  # Postgres is not asked


def states_of_bank() -> AggregateCache:
    return AggregateCache(bank, 1000, 1000)


async def test_what_a_batch_decided_that_is_not_committed_yet_is_not_decided_again(servers: Bank) -> None:
    account, states = uuid4(), states_of_bank()
    first, second = await waiting(servers), await waiting(servers)
    opening = submitted(OpenAccount("Ada", account), reply=first.reply)
    again = submitted(OpenAccount("Ada", account), reply=second.reply, command_id=opening.command_id)
    deposit = submitted(Deposit(account, Decimal(5)), reply=second.reply)
    before = await decided(servers, states, [opening])
    after = await decided(servers, states, [again, deposit], before)
    assert [decision.command for decision in after.decisions] == [deposit]
    by_first = await told(first, opening, (servers, before))
    by_second = await told(second, again, (servers, after))
    assert by_first == by_second
    assert (by_second.position, [event.type for event in by_second.events]) == (1, ["AccountOpened"])
    assert [event.type for event in await servers.log()] == ["AccountOpened", "MoneyDeposited"]


async def test_what_comes_twice_in_a_batch_is_decided_once_and_both_are_told(servers: Bank) -> None:
    account, states = uuid4(), states_of_bank()
    first, second = await waiting(servers), await waiting(servers)
    opening = submitted(OpenAccount("Ada", account), reply=first.reply)
    deposit = submitted(Deposit(account, Decimal(5)), reply=first.reply)
    again = submitted(Deposit(account, Decimal(5)), reply=second.reply, command_id=deposit.command_id)
    batch = await decided(servers, states, [opening, deposit, again])
    assert [decision.command for decision in batch.decisions] == [opening, deposit]
    ended = await told(second, again, (servers, batch))
    assert (ended.position, ended.version, [event.version for event in ended.events]) == (2, 2, [2])


async def test_what_has_its_outcome_in_postgres_is_told_from_there(servers: Bank) -> None:
    account, states = uuid4(), states_of_bank()
    waiter = await waiting(servers)
    opening = submitted(OpenAccount("Ada", account), reply=waiter.reply)
    deposit = submitted(Deposit(account, Decimal(5)), reply=waiter.reply)
    first = await told(waiter, opening, (servers, await decided(servers, states, [opening])))
    later = await decided(servers, states, [deposit, opening])
    assert [decision.command for decision in later.decisions] == [deposit]
    assert await told(waiter, opening, (servers, later)) == first
    assert [event.type for event in await servers.log()] == ["AccountOpened", "MoneyDeposited"]


async def test_each_outcome_points_to_its_own_events(servers: Bank) -> None:
    account, states = uuid4(), states_of_bank()
    waiter = await waiting(servers)
    opening = submitted(OpenAccount("Ada", account), reply=waiter.reply)
    refused = submitted(OpenAccount("Eve", account), reply=waiter.reply)
    deposit = submitted(Deposit(account, Decimal(5)), reply=waiter.reply)
    batch = await decided(servers, states, [opening, refused, deposit])
    ended = await told(waiter, deposit, (servers, batch))
    assert (ended.status, ended.position, [event.position for event in ended.events]) == ("APPLIED", 2, [2])
    nothing = await told(waiter, refused, (servers, await decided(servers, states, [refused])))
    assert (nothing.status, nothing.code, nothing.events) == ("REJECTED", "ACCOUNT_EXISTS", ())


async def test_a_snapshot_holds_nothing_that_a_later_batch_decided(servers: Bank) -> None:
    """The processor may die before that is committed: its events would be in the state and not in the log."""
    account, states = uuid4(), AggregateCache(bank, 1000, snapshot_every=3)
    first = [submitted(OpenAccount("Ada", account)), *(submitted(Deposit(account, Decimal(5))) for _ in "ab")]
    before = await decided(servers, states, first)
    await decided(servers, states, [submitted(Deposit(account, Decimal(7)))], before)
    await end(servers, before)
    async with servers.database.connection() as connection:
        [snapshot] = await stored_snapshots(connection, [first[0].stream])
    assert snapshot.version == len(await servers.log()) == 3
    assert '"10.00"' in snapshot.state


def test_outcomes_that_no_message_holds_together_are_told_in_several_and_a_huge_one_not_at_all() -> None:
    def ended(size: int) -> Ended:
        return Ended(uuid4(), b"", "REJECTED", "X", "x" * size, "account-1", 1, 1, ())

    outcomes = [ended(size) for size in (200_000, 600_000, 200_000, 200_000, 1)]
    messages = outcome_signals("subject", outcomes)
    assert max(len(message.payload) for message in messages) <= 512 * 1024
    told = [one.command_id for message in messages for one in decoder.decode(message.payload)]
    assert told == [one.command_id for n, one in enumerate(outcomes) if n != 1]
    assert len(outcome_signals("subject", [ended(1)] * 500)) == 1
