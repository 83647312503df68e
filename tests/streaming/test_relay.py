"""The mirror is exact: message p of the EVENTS stream is the event at position p."""

from __future__ import annotations

import asyncio

import pytest

from commander.eventstore.records import RecordedEvent
from commander.streaming.log.event_codec import event_of
from commander.streaming.log.reading import LogReader
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import OrderedConsumer
from commander.streaming.nats.signals import log_signals
from commander.streaming.nats.stream_settings import StreamFixed, _suited
from commander.streaming.nats.streams import _configs, ensure_streams
from tests.names import NAMES
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill


async def mirrored(nats: Nats, count: int) -> list[RecordedEvent]:
    """The first `count` messages of the mirror, as events."""
    found: list[RecordedEvent] = []
    async with OrderedConsumer(nats, "EVENTS", ["events.>"], 0) as mirror, asyncio.timeout(20):
        while len(found) < count:
            found += [event_of(message) for message in await mirror.next_batch(500, 1)]
    return found


async def test_every_event_is_mirrored_at_its_position_with_all_that_is_known_of_it(servers: Bank) -> None:
    events = await fill(servers.database, 1200)
    async with running(Relay(servers.database, servers.nats).run()):
        assert await mirrored(servers.nats, 1200) == events
        more = await fill(servers.database, 3)
        assert (await mirrored(servers.nats, 1203))[1200:] == more


async def test_two_relays_at_once_do_no_harm(servers: Bank) -> None:
    """Without the lock, which is only there to spare the work: JetStream refuses what does not fit."""
    relays = [Relay(servers.database, servers.nats) for _ in range(3)]

    async def unlocked(relay: Relay) -> None:
        connection = await servers.database.connect("relay without lock")
        try:
            async with LogReader(servers.database, servers.nats) as log:
                await relay._mirror(connection, log)
        finally:
            connection.terminate()

    async with (
        running(unlocked(relays[0])),
        running(unlocked(relays[1])),
        running(unlocked(relays[2])),
    ):
        events = []
        for _ in range(20):
            more = await fill(servers.database, 37)
            await servers.nats.publish_signals(log_signals(NAMES, more))
            events += more
        assert await mirrored(servers.nats, len(events)) == events
    assert (await servers.nats.jetstream.stream_info("EVENTS")).state.messages == len(events)


async def test_a_lost_mirror_is_made_again_from_the_log(servers: Bank) -> None:
    events = await fill(servers.database, 600)
    async with running(Relay(servers.database, servers.nats).run()):
        assert await mirrored(servers.nats, 600) == events
    await servers.nats.jetstream.delete_stream("EVENTS")
    await ensure_streams(servers.nats, 1)
    async with running(Relay(servers.database, servers.nats).run()):
        assert await mirrored(servers.nats, 600) == events


async def test_what_the_mirror_lost_in_a_crash_is_published_again_though_nothing_happens(
    servers: Bank,
) -> None:
    events = await fill(servers.database, 60)
    relay = Relay(servers.database, servers.nats)
    async with running(relay.run()):
        assert await mirrored(servers.nats, 60) == events
        await servers.nats.jetstream.delete_stream("EVENTS")
        await ensure_streams(servers.nats, 1)
        await servers.nats.client._attempt_reconnect()
        assert await mirrored(servers.nats, 60) == events


async def test_a_stream_of_an_earlier_version_stays_as_it_is_and_is_published_to(servers: Bank) -> None:
    await servers.nats.jetstream.delete_stream("EVENTS")
    await servers.nats.jetstream.add_stream(name="EVENTS", subjects=["events.>"], allow_atomic=True)
    await ensure_streams(servers.nats, 1)
    events = await fill(servers.database, 600)
    async with running(Relay(servers.database, servers.nats).run()):
        assert await mirrored(servers.nats, 600) == events


async def test_a_mirror_for_one_server_cannot_be_replicated() -> None:
    [made] = [config for config in _configs(NAMES, 1) if config.name == "EVENTS"]
    [wanted] = [config for config in _configs(NAMES, 3) if config.name == "EVENTS"]
    with pytest.raises(StreamFixed, match="Delete it"):
        _suited(made, wanted)
