"""Each owner takes its own commands: also of a message that has commands of several."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from commander.eventstore.records import Progress, SubmittedCommand
from commander.examples.bank.messages import OpenAccount
from commander.streaming.commands.messages import encoded, message_of, message_of_many
from commander.streaming.commands.partition_reader import PartitionReader
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.publishing import publish_atomically
from commander.streaming.nats.streams import partition_of
from tests.names import NAMES
from tests.streaming.conftest import PARTITIONS, Bank, submitted


def opening(count: int) -> list[SubmittedCommand]:
    return [submitted(OpenAccount("Ada", uuid4())) for _ in range(count)]


def together(commands: Sequence[SubmittedCommand], partitions: int = PARTITIONS) -> OutMessage:
    return message_of_many(NAMES, [encoded(c) for c in commands], [c.stream for c in commands], partitions)


def before(commands: Sequence[SubmittedCommand]) -> OutMessage:
    """As a process of the version before makes it: without a header."""
    return together(commands)._replace(headers={})


def elsewhere(commands: Sequence[SubmittedCommand]) -> OutMessage:
    """With a header for another number of partitions."""
    return together(commands, PARTITIONS + 3)


@pytest.mark.parametrize("form", [together, before, elsewhere])
async def test_each_owner_gets_its_own_of_a_message_of_many(servers: Bank, form: object) -> None:
    assert callable(form)
    commands = opening(40)
    await publish_atomically(servers.nats, [form(commands[:30]), form(commands[30:])])
    created = (await servers.nats.jetstream.stream_info("COMMANDS")).created
    for owned in ([0, 2], [1], [3], [0, 1, 2, 3]):
        decided = {p: Progress((p,), 1 if p == 2 else 0, created) for p in owned}  # 2 has decided the first
        async with PartitionReader(servers.nats, owned, PARTITIONS) as reader:
            await reader.open(decided)
            found: list[UUID] = []
            sequence = 0
            while sequence < 2:
                received = await reader.next_batch(500, 10)
                assert received is not None
                found += [command.command_id for command in received.commands]
                sequence = received.progress.sequence
        partitions = [partition_of(command.stream, PARTITIONS) for command in commands]
        wanted = [
            command.command_id
            for n, (command, partition) in enumerate(zip(commands, partitions, strict=True))
            if partition in owned and (partition != 2 or n >= 30)
        ]
        assert found == wanted


async def test_a_batch_is_filled_up_with_its_own_commands(servers: Bank) -> None:
    commands = opening(600)
    await publish_atomically(servers.nats, [together(commands[n : n + 100]) for n in range(0, 600, 100)])
    mine = [c.command_id for c in commands if partition_of(c.stream, PARTITIONS) == 1]
    async with PartitionReader(servers.nats, [1], PARTITIONS) as reader:
        await reader.open({1: Progress((1,), 0, None)})
        first = await reader.next_batch(1, 10)
        assert reader._pull is not None
        async with asyncio.timeout(10):
            while len(reader._pull._buffer) < 5:
                await asyncio.sleep(0.01)
        rest = await reader.next_batch(300, 10)
    assert first is not None
    assert rest is not None
    assert len(rest.commands) > 300 // PARTITIONS + 1, "more than what three messages have for it"
    found = [command.command_id for command in [*first.commands, *rest.commands]]
    assert found == mine[: len(found)]


@pytest.mark.parametrize("owned", [[0], [0, 2], [1, 2, 3]])
async def test_commands_of_others_are_skipped_and_passed(servers: Bank, owned: list[int]) -> None:
    commands = opening(120)
    mine = [c for c in commands if partition_of(c.stream, PARTITIONS) in owned]
    others = [c for c in commands if c not in mine]
    queued = [*others[:10], *commands, *others]
    alone = [message_of(NAMES, c, PARTITIONS) for c in queued]
    assert mine
    assert others
    for n in range(0, len(alone), 50):
        await publish_atomically(servers.nats, alone[n : n + 50])
    async with PartitionReader(servers.nats, owned, PARTITIONS) as reader, asyncio.timeout(30):
        await reader.open({p: Progress((p,), 0, None) for p in owned})
        found: list[UUID] = []
        sequence = 0
        while sequence < len(alone):  # also after the last of its own
            received = await reader.next_batch(50, 10)
            assert received is not None
            assert received.progress.sequence > sequence
            sequence = received.progress.sequence
            found += [command.command_id for command in received.commands]
    assert found == [command.command_id for command in mine]
