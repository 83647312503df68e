"""Commands that come at once share messages; each is stored, found and decided as if it came alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4, uuid5

import pytest
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from commander.domain.errors import CommanderError
from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.locks import Lock, try_lock
from commander.eventstore.log.pending import remember
from commander.eventstore.records import SubmittedCommand
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.streaming.commands import pending_by_id
from commander.streaming.commands.assembling import client_command_id, reaction_id
from commander.streaming.commands.messages import MAX_TOGETHER, commands_in, many_subject
from commander.streaming.commands.pending_by_id import pending_alone, pending_command
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import next_messages
from commander.streaming.nats.publishing import AtomicBatchRejected, publish
from commander.streaming.nats.streams import ensure_streams, partition_of
from tests.names import NAMES
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted


def openings(count: int) -> list[SubmittedCommand]:
    return [submitted(OpenAccount("Ada", uuid4())) for _ in range(count)]


async def submit_at_once(servers: Bank, commands: Iterable[SubmittedCommand], *, alone: bool = False) -> None:
    await asyncio.gather(*(servers.submitter.submit(command, alone=alone) for command in commands))


async def queue(servers: Bank) -> list[RawStreamMsg]:
    """The messages in the stream, in order."""
    state = (await servers.nats.jetstream.stream_info("COMMANDS")).state
    return [await servers.nats.jetstream.get_msg("COMMANDS", seq=n + 1) for n in range(state.last_seq)]


def ids(commands: Iterable[SubmittedCommand]) -> list[UUID]:
    return [command.command_id for command in commands]


def ids_in(messages: Sequence[RawStreamMsg]) -> list[list[UUID]]:
    return [ids(commands_in(message.subject or "", message.data or b"")) for message in messages]


async def test_what_comes_at_once_shares_a_message_in_its_order(servers: Bank) -> None:
    commands = openings(2 * MAX_TOGETHER + 1)
    await submit_at_once(servers, commands)
    found = ids_in(await queue(servers))
    assert [len(some) for some in found] == [MAX_TOGETHER, MAX_TOGETHER, 1]
    assert [one for some in found for one in some] == ids(commands)


async def test_messages_stay_within_what_nats_takes(servers: Bank) -> None:
    await submit_at_once(servers, [submitted(OpenAccount("x" * 100_000, uuid4())) for _ in range(7)])
    sizes = [len(message.data or b"") for message in await queue(servers)]
    assert len(sizes) == 4 and max(sizes) < 256 * 1024


async def test_a_command_whose_id_was_chosen_comes_alone_and_is_found_at_once(servers: Bank) -> None:
    chosen, others = openings(3), openings(3)
    await asyncio.gather(submit_at_once(servers, chosen, alone=True), submit_at_once(servers, others))
    assert sorted(map(len, ids_in(await queue(servers)))) == [1, 1, 1, 3]
    for command in chosen:
        assert await pending_alone(servers.nats, command.command_id) == command
    assert await pending_alone(servers.nats, others[0].command_id) is None


async def test_each_of_many_is_found_by_its_id(servers: Bank) -> None:
    first, second = openings(3), openings(4)
    for commands in (first, second):
        await submit_at_once(servers, commands)
    for command in (*first, *second):
        assert await pending_command(servers.nats, servers.database, command.command_id) == command


async def test_each_of_many_of_a_reactor_is_found_by_its_id(servers: Bank) -> None:
    ids = [reaction_id("greeter", 1, index) for index in range(3)]
    commands = [submitted(OpenAccount("Ada", uuid4()), command_id=one) for one in ids]
    sent = await servers.submitter.submit_all(commands)
    assert sent is not None
    async with servers.database.connection() as connection:
        await remember(connection, sent)
    for command in commands:
        assert await pending_command(servers.nats, servers.database, command.command_id) == command


async def test_an_unknown_id_is_told_without_reading_the_queue(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        await submit_at_once(servers, openings(2))
    asked, first = list[str](), pending_by_id._first

    async def counted(nats: Nats, subject: str, sequence: int) -> RawStreamMsg | None:
        asked.append(subject)
        return await first(nats, subject, sequence)

    monkeypatch.setattr(pending_by_id, "_first", counted)
    now = servers.nats.clock.now()
    unknown = [uuid4(), uuid5(uuid4(), "x")]
    unknown += [client_command_id(now + timedelta(hours=hours)) for hours in (-1, 0, 1)]
    for command_id in unknown:
        asked.clear()
        assert await pending_command(servers.nats, servers.database, command_id) is None
        assert len(asked) <= 10, f"40 messages are queued; {command_id} of version {command_id.version}"


async def test_two_processors_each_decide_their_own_of_the_same_messages(servers: Bank) -> None:
    accounts = [uuid4() for _ in range(40)]
    assert {partition_of(f"account-{account}", PARTITIONS) for account in accounts} == set(range(PARTITIONS))
    first, second = servers.processor(), servers.processor()
    async with running(first.run()), running(second.run()):
        async with asyncio.timeout(10):
            while {len(first.owned), len(second.owned)} != {PARTITIONS // 2}:
                await asyncio.sleep(0.01)
        opened = [submitted(OpenAccount("Ada", account)) for account in accounts]
        await submit_at_once(servers, opened)
        deposits = [submitted(Deposit(account, Decimal(n + 1))) for account in accounts for n in range(3)]
        await submit_at_once(servers, deposits)
        outcomes = [await servers.outcome(one) for one in ids([*opened, *deposits])]
    assert {outcome.status for outcome in outcomes} == {"APPLIED"}
    log = await servers.log()
    assert sorted(event.command_id for event in log) == sorted(ids([*opened, *deposits]))
    per_stream = {a: [e.command_id for e in log if e.stream == f"account-{a}"][1:] for a in accounts}
    for n, account in enumerate(accounts):
        assert per_stream[account] == ids(deposits[3 * n : 3 * n + 3]), "in order within a stream"


async def test_a_message_goes_only_when_all_its_partitions_are_decided(servers: Bank) -> None:
    commands = openings(20)
    waiting = [c for c in commands if partition_of(c.stream, PARTITIONS) == 1]
    assert waiting and len(waiting) < 20
    other_owner = await servers.database.connect("owns partition 1")
    assert await try_lock(other_owner, Lock.PARTITION, 1)
    try:
        async with running(servers.processor(purge_seconds=0.05).run()):
            await submit_at_once(servers, commands)
            for command in [c for c in commands if c not in waiting]:
                await servers.outcome(command.command_id)
            marker = next(c for c in openings(50) if partition_of(c.stream, PARTITIONS) == 0)
            await submit_at_once(servers, [marker], alone=True)
            await gone(servers, f"commands.0.{marker.command_id}")
            assert await holds(servers, many_subject(NAMES)), "partition 1 has not decided its own"
            other_owner.terminate()
            for command in waiting:
                await servers.outcome(command.command_id)
            await gone(servers, many_subject(NAMES))
    finally:
        other_owner.terminate()


async def gone(servers: Bank, subject: str) -> None:
    async with asyncio.timeout(10):
        while await holds(servers, subject):
            await asyncio.sleep(0.02)


async def holds(servers: Bank, subject: str) -> bool:
    """Whether COMMANDS holds a message of the subject."""
    try:
        await servers.nats.jetstream.get_msg("COMMANDS", seq=1, subject=subject, next=True)
    except NotFoundError:
        return False
    return True


async def test_a_stream_of_a_former_release_takes_commands_with_a_time(servers: Bank) -> None:
    jetstream = servers.nats.jetstream
    before = (await jetstream.stream_info("COMMANDS")).config
    await jetstream.delete_stream("COMMANDS")
    former = replace(before, subjects=["commands.*.*"], allow_msg_schedules=None, allow_rollup_hdrs=False)
    await jetstream.add_stream(former)
    queued = await servers.submit(OpenAccount("Ada", uuid4()))
    await ensure_streams(servers.nats, 1)
    due = datetime.now(UTC) + timedelta(milliseconds=300)
    later = await servers.submit(OpenAccount("Eve", uuid4()), not_before=due)
    async with running(servers.processor().run()):
        assert (await servers.outcome(queued)).status == "APPLIED"
        assert (await servers.outcome(later)).decided_at > due


async def test_the_same_schedule_twice_among_many_is_stored_and_so_are_the_others(servers: Bank) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    schedules = [submitted(OpenAccount("Ada", uuid4()), not_before=later) for _ in range(20)]
    others = openings(20)
    twice = [*schedules[:3], schedules[1], *schedules[3:], *others, schedules[1]]
    results = await asyncio.gather(
        *(servers.submitter.submit(one, alone=True) for one in twice), return_exceptions=True
    )
    assert results == [None] * len(twice)
    found = (await next_messages(servers.nats, "COMMANDS", ">", 1, 100, 1_000_000)).messages
    stored = [one for message in found for one in ids(commands_in(message.subject, message.data))]
    assert sorted(stored) == sorted(ids([*schedules, *others]))


async def test_one_message_that_is_refused_takes_no_other_with_it(nats: Nats) -> None:
    messages = [OutMessage(f"commands.1.{n}", b"{}", {}) for n in range(20)]
    messages[7] = OutMessage("commands.1.7", b"{}", {"Nats-Schedule": "never", "Nats-Schedule-Target": "x"})
    stored = await publish(nats, messages)
    assert [isinstance(one, AtomicBatchRejected) for one in stored] == [n == 7 for n in range(20)]
    assert (await nats.jetstream.stream_info("COMMANDS")).state.messages == 19


async def test_large_commands_that_come_at_once_are_sent_in_batches_by_their_bytes(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    async def measured(nats: Nats, messages: list[OutMessage]) -> list[int | CommanderError]:
        sizes.append(sum(len(message.payload) for message in messages))
        return await publish(nats, messages)

    monkeypatch.setattr("commander.streaming.commands.submitting.publish", measured)
    large = [submitted(OpenAccount("x" * 300_000, uuid4())) for _ in range(40)]
    await submit_at_once(servers, large, alone=True)
    assert max(sizes) <= BATCH_BYTES and sum(sizes) > 12_000_000
    assert [one for some in ids_in(await queue(servers)) for one in some] == ids(large)
