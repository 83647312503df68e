"""What `commander restore` finds and does, with a log that lost its last events."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import msgspec
import pytest

from commander.eventstore.database import Connection, Database
from commander.eventstore.log.epochs import Epoch, read_epochs
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import RecordedEvent
from commander.examples.bank.messages import OpenAccount
from commander.streaming.commands.messages import message_of_many
from commander.streaming.log.agreement import must_agree
from commander.streaming.log.relay import Relay
from commander.streaming.log.remaking import remake_mirror
from commander.streaming.nats.names import StoresDiffer
from commander.streaming.nats.streams import mirrored_position
from commander.streaming.restoring.differences import differences
from commander.streaming.restoring.restore import restore
from tests.faults.waiting import until
from tests.names import NAMES
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted
from tests.streaming.filling import fill, fill_within
from tests.streaming.test_relay import mirrored

_encoder = msgspec.json.Encoder()


async def mirror(servers: Bank) -> None:
    """Mirrors the log up to its head."""
    head, relay = await head_position(servers.database), Relay(servers.database, servers.nats)
    async with running(relay.run()):
        await until(lambda: relay.position == head, "the log is mirrored")


async def lose(database: Database, after: int) -> None:
    """Sets the log back, as a replica that lagged would have it."""
    async with database.connection() as connection, connection.transaction():
        await lose_within(connection, after)


async def lose_within(connection: Connection, after: int) -> None:
    await connection.execute("set local session_replication_role = replica")
    await connection.execute("delete from events where position > $1", after)
    await connection.execute("delete from commands where position > $1", after)


def reaction(to: RecordedEvent, owner: str) -> tuple[UUID, bytes, str]:
    """The id, the JSON and the stream of a reactor's command."""
    command = msgspec.structs.replace(
        submitted(OpenAccount(owner, uuid4())),
        correlation_id=to.correlation_id,
        causation_position=to.position,
        reactor="greeter",
    )
    return command.command_id, _encoder.encode(command), command.stream


async def test_reactions_to_lost_events_are_taken_out_and_all_others_decided(servers: Bank) -> None:
    events = await fill(servers.database, 5)
    await mirror(servers)
    kept, lost, lost_alone = (reaction(events[at], "Ada") for at in (2, 4, 3))
    data, streams = [kept[1], lost[1]], [kept[2], lost[2]]
    plain = await servers.submit(OpenAccount("Bob", uuid4()))
    for message in (
        message_of_many(NAMES, data, streams, PARTITIONS),
        message_of_many(NAMES, [lost_alone[1]], [lost_alone[2]], PARTITIONS),
    ):
        await servers.nats.jetstream.publish(message.subject, message.payload, headers=message.headers)
    await lose(servers.database, 3)

    found = await differences(servers.database, servers.nats)
    assert (found.head, found.mirror_end, found.shared, found.lost) == (3, 5, 3, 2)
    assert (found.queued, found.to_decide, len(found.stale)) == (4, 4, 2)
    assert set(found.gone) == {event.command_id for event in events[3:]}
    await restore(servers.database, servers.nats, found, replicas=1)
    assert (await read_epochs(servers.database))[-1] == Epoch(2, 4)
    async with running(servers.processor().run()):
        assert (await servers.outcome(plain)).status == "APPLIED"
        assert (await servers.outcome(kept[0])).status == "APPLIED"
    for command_id, _, _ in (lost, lost_alone):
        assert await outcome_of(servers.database, command_id) is None
    await mirror(servers)
    assert await mirrored(servers.nats, 5) == await servers.log()
    await must_agree(servers.database, servers.nats, strict=True)
    assert not (await differences(servers.database, servers.nats)).exist


async def test_a_reaction_to_a_lost_event_that_is_queued_after_the_comparison_is_taken_out(
    servers: Bank,
) -> None:
    """As by a schedule: NATS fires it also while no part runs."""
    events = await fill(servers.database, 5)
    await mirror(servers)
    kept, lost = (reaction(events[at], "Ada") for at in (2, 4))
    await lose(servers.database, 3)
    found = await differences(servers.database, servers.nats)
    for _, data, stream in (lost, kept):
        message = message_of_many(NAMES, [data], [stream], PARTITIONS)
        await servers.nats.jetstream.publish(message.subject, message.payload, headers=message.headers)
    await restore(servers.database, servers.nats, found, replicas=1)
    async with running(servers.processor().run()):
        assert (await servers.outcome(kept[0])).status == "APPLIED"
    assert await outcome_of(servers.database, lost[0]) is None


async def test_a_reaction_to_a_lost_event_that_is_gone_after_the_comparison_is_no_error(
    servers: Bank,
) -> None:
    """A schedule that fires while a restore runs is taken away by NATS."""
    events = await fill(servers.database, 5)
    await mirror(servers)
    await lose(servers.database, 3)
    _, data, stream = reaction(events[4], "Ada")
    message = message_of_many(NAMES, [data], [stream], PARTITIONS)
    await servers.nats.jetstream.publish(message.subject, message.payload, headers=message.headers)
    found = await differences(servers.database, servers.nats)
    [stale] = found.stale
    await servers.nats.jetstream.delete_msg(NAMES.commands, stale.sequence)
    await restore(servers.database, servers.nats, found, replicas=1)
    assert not (await differences(servers.database, servers.nats)).exist


async def test_a_restore_that_ended_in_the_middle_is_found_and_repeated(servers: Bank) -> None:
    await fill(servers.database, 4)
    await mirror(servers)
    await lose(servers.database, 2)
    await servers.database.fetch("insert into epochs (epoch, first_position) values (2, 3)")
    again = await differences(servers.database, servers.nats)
    assert again.exist
    await restore(servers.database, servers.nats, again, replicas=1)
    assert (await read_epochs(servers.database))[-1] == Epoch(3, 3)
    assert not (await differences(servers.database, servers.nats)).exist


async def test_the_mirror_is_made_again_whole(servers: Bank) -> None:
    events = await fill(servers.database, 1200)
    await servers.nats.jetstream.publish("events.account.AccountOpened.x", b"{}")
    shown: list[tuple[int, int]] = []
    await remake_mirror(servers.database, servers.nats, 1, lambda *at: shown.append(at))
    assert shown[-1] == (1200, 1200)
    assert await mirrored_position(servers.nats) == 1200
    assert await mirrored(servers.nats, 1200) == events


async def test_no_event_of_another_history_is_mirrored_behind_the_last_one(servers: Bank) -> None:
    """The log is set back and written beyond its old end, while the relay runs and keeps its connection.

    So the last event of EVENTS is never of the log if one before it is not, and each comparison finds it.
    """
    await fill(servers.database, 5)
    relay = Relay(servers.database, servers.nats)
    with pytest.raises(StoresDiffer, match="another event at position 5 than this process has mirrored"):
        async with running(relay.run()) as task:
            await until(lambda: relay.position == 5, "the log is mirrored")
            async with servers.database.connection() as connection, connection.transaction():
                await lose_within(connection, 3)
                await fill_within(connection, 4)
            await asyncio.wait((task,), timeout=10)
            assert await mirrored_position(servers.nats) == 5
    for _ in range(2):  # at every start, and after every new connection
        with pytest.raises(StoresDiffer, match="message 5 of EVENTS is another event"):
            await must_agree(servers.database, servers.nats, strict=False)
    found = await differences(servers.database, servers.nats)
    assert (found.shared, found.lost) == (3, 2)
