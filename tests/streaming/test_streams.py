"""Whose streams they are: this system's, another's, or nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from nats.js import api
from nats.js.errors import NotFoundError

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.log.identity import Identity
from commander.examples.bank.messages import OpenAccount
from commander.parts.part import run_all
from commander.streaming.feed.feed import CaughtUp, Feed
from commander.streaming.log.relay import Relay
from commander.streaming.nats import streams
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import AnotherSystem, Names, identity_in
from commander.streaming.nats.ordered_consumer import OrderedConsumer
from commander.streaming.nats.stream_settings import StreamFixed
from commander.streaming.nats.streams import claimed, ensure_streams, watch_streams
from tests.streaming.conftest import Bank, running
from tests.streaming.subscribing import subscribe


@pytest_asyncio.fixture
async def second(nats_server: EmbeddedNats, nats: Nats) -> AsyncIterator[Nats]:
    """A second system of the same name, with another database."""
    connection = Nats(nats_server.url, Names(Identity(nats.names.identity.name, uuid4())))
    await connection.connect("second")
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def shop(nats_server: EmbeddedNats) -> AsyncIterator[Nats]:
    """A system with a name, on a NATS without its streams."""
    connection = Nats(nats_server.url, Names(Identity("shop", uuid4())))
    await connection.connect("shop")
    yield connection
    await connection.close()


async def replaced(nats: Nats, second: Nats) -> None:
    """An operator deletes the streams, and the other system makes its own."""
    for stream in (nats.names.commands, nats.names.events):
        await nats.jetstream.delete_stream(stream)
    await ensure_streams(second, replicas=1)


async def test_the_second_system_of_a_name_is_refused_and_nothing_changes(nats: Nats, second: Nats) -> None:
    with pytest.raises(AnotherSystem) as refused:
        await ensure_streams(second, replicas=1)
    said = str(refused.value)
    assert said.startswith(
        f"the stream COMMANDS belongs to another system, with the identity {nats.names.identity.id}"
    )
    assert str(second.names.identity.id) in said
    await ensure_streams(nats, replicas=1)
    for stream in ("COMMANDS", "EVENTS"):
        info = await nats.jetstream.stream_info(stream)
        assert identity_in(info.config.metadata) == nats.names.identity.id


async def test_a_stream_that_is_deleted_while_it_is_looked_at_is_made_again(
    shop: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`commander restore` deletes EVENTS while parts start and wait."""
    await ensure_streams(shop, 1)
    left = [shop.names.events, shop.names.commands]

    async def updated(nats: Nats, found: api.StreamConfig, wanted: api.StreamConfig) -> None:
        if wanted.name in left:
            left.remove(wanted.name)
            await nats.jetstream.delete_stream(wanted.name or "")

    monkeypatch.setattr(streams, "update", updated)
    await ensure_streams(shop, 1)
    assert left == []
    for name in (shop.names.events, shop.names.commands):
        assert (await shop.jetstream.stream_info(name)).config.name == name


async def test_systems_of_two_names_have_streams_and_subjects_of_their_own(nats: Nats, shop: Nats) -> None:
    await ensure_streams(shop, replicas=1)
    found = {info.config.name: info.config.subjects for info in await nats.jetstream.streams_info()}
    assert found == {
        "COMMANDS": ["commands.*.*", "commands.scheduled.*.*.*"],
        "EVENTS": ["events.>"],
        "shop-COMMANDS": ["shop.commands.*.*", "shop.commands.scheduled.*.*.*"],
        "shop-EVENTS": ["shop.events.>"],
    }


async def test_the_processor_stops_at_a_queue_of_another_system(servers: Bank, second: Nats) -> None:
    async with asyncio.timeout(20):
        processor = servers.processor()
        working = asyncio.create_task(processor.run())
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
        await replaced(servers.nats, second)
        with pytest.raises(AnotherSystem, match="the stream COMMANDS belongs to another system"):
            await working


async def test_the_relay_stops_at_a_mirror_of_another_system(servers: Bank, second: Nats) -> None:
    await replaced(servers.nats, second)
    async with asyncio.timeout(20):
        with pytest.raises(AnotherSystem, match=r"the stream (COMMANDS|EVENTS) belongs to another system"):
            await Relay(servers.database, servers.nats).run()


async def test_a_reader_stops_at_a_stream_of_another_system(nats: Nats, second: Nats) -> None:
    async with asyncio.timeout(20), OrderedConsumer(nats, "EVENTS", [], 0) as mirror:
        await replaced(nats, second)
        with pytest.raises(AnotherSystem):
            while True:
                await mirror.next_batch(10, timeout_seconds=5)


async def test_the_feed_stops_at_a_mirror_of_another_system(servers: Bank, second: Nats) -> None:
    feed = Feed(servers.database, servers.nats)
    working = asyncio.create_task(run_all(feed.run()))
    async with asyncio.timeout(20):
        async with aclosing(subscribe(feed, after=0)) as subscriber:
            assert await anext(subscriber) == CaughtUp(0)
            await replaced(servers.nats, second)
            with pytest.raises(AnotherSystem):
                await working


async def test_a_part_that_reads_no_stream_sees_that_they_are_replaced(
    nats: Nats, second: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WATCH_SECONDS", 0.05)
    watching = asyncio.create_task(watch_streams(nats, 1))
    async with asyncio.timeout(20):
        await replaced(nats, second)
        with pytest.raises(AnotherSystem):
            await watching


async def test_a_stream_made_by_hand_is_this_systems_only_if_it_is_empty(shop: Nats) -> None:
    await shop.jetstream.add_stream(name="shop-COMMANDS", subjects=["shop.commands.*.*"])
    await shop.jetstream.add_stream(name="shop-EVENTS", subjects=["shop.events.>"], metadata={"team": "a"})
    await shop.jetstream.publish("shop.events.a.b.c", b"{}")
    with pytest.raises(AnotherSystem) as refused:
        await ensure_streams(shop, replicas=1)
    said = str(refused.value)
    assert said.startswith("the stream shop-EVENTS has 1 messages and no identity")
    assert f"--metadata=commander.identity:{shop.names.identity.id}" in said
    info = await shop.jetstream.stream_info("shop-EVENTS")
    metadata = {**(info.config.metadata or {}), **shop.names.metadata}
    await shop.jetstream.update_stream(replace(info.config, metadata=metadata))  # as it says
    await ensure_streams(shop, replicas=1)
    config = (await shop.jetstream.stream_info("shop-EVENTS")).config
    assert (config.metadata or {})["team"] == "a"
    assert config.deny_delete


async def test_subjects_that_another_stream_has_are_told_in_one_sentence(shop: Nats) -> None:
    await shop.jetstream.add_stream(name="THEIRS", subjects=["shop.>"])
    with pytest.raises(StreamFixed, match=r"another stream on this NATS has subjects like shop\.commands"):
        await ensure_streams(shop, replicas=1)


async def made_before_names(nats: Nats) -> None:
    """The streams as the version before made them: without an identity."""
    for stream in ("COMMANDS", "EVENTS"):
        info = await nats.jetstream.stream_info(stream)
        await nats.jetstream.update_stream(replace(info.config, metadata={}))
        assert identity_in((await nats.jetstream.stream_info(stream)).config.metadata) is None


async def test_a_system_from_before_names_keeps_its_streams_and_what_is_queued(
    servers: Bank, second: Nats
) -> None:
    await made_before_names(servers.nats)
    queued = await servers.submit(OpenAccount("Ada", uuid4()))
    later = datetime.now(UTC) + timedelta(seconds=1)
    scheduled = await servers.submit(OpenAccount("Eve", uuid4()), not_before=later)
    await ensure_streams(servers.nats, replicas=1)
    with pytest.raises(AnotherSystem, match="use another NATS"):
        await ensure_streams(second, replicas=1)
    async with running(servers.processor().run()):
        ends = [(await servers.outcome(one)).status for one in (queued, scheduled)]
    assert ends == ["APPLIED", "APPLIED"]


async def test_a_system_from_before_names_takes_its_identity_back_if_it_is_taken_away(servers: Bank) -> None:
    async with running(servers.processor().run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
        await made_before_names(servers.nats)
        await servers.nats.jetstream.stream_info("COMMANDS")
        async with OrderedConsumer(servers.nats, "COMMANDS", [], 0):
            pass
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
    info = await claimed(servers.nats, "COMMANDS")
    assert identity_in(info.config.metadata) == servers.nats.names.identity.id


async def test_a_stream_that_is_lost_while_parts_run_is_made_again(
    nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(streams, "LOST_SECONDS", 0.1)
    async with running(watch_streams(nats, 1)), asyncio.timeout(20):
        for stream in ("COMMANDS", "EVENTS"):
            before = (await claimed(nats, stream)).created
            await nats.jetstream.delete_stream(stream)
            while await created(nats, stream) in (before, None):
                await asyncio.sleep(0.02)
        assert (await claimed(nats, "COMMANDS")).config.allow_msg_schedules


async def created(nats: Nats, stream: str) -> datetime | None:
    with suppress(NotFoundError):
        return (await claimed(nats, stream)).created
    return None


async def given(nats: Nats, stream: str, **settings: Any) -> None:
    """An operator makes the empty stream again with these settings."""
    config = (await nats.jetstream.stream_info(stream)).config
    await nats.jetstream.delete_stream(stream)
    await nats.jetstream.add_stream(replace(config, **settings))


async def test_settings_of_an_operator_stay_if_they_harm_nothing(nats: Nats) -> None:
    chosen: dict[str, dict[str, Any]] = {
        "COMMANDS": {
            "compression": api.StoreCompression.S2,
            "max_msg_size": 500_000,
            "allow_msg_ttl": True,
            "duplicate_window": 60,
            "description": "mine",
            "republish": api.RePublish("commands.*.*", "copies.commands.{{wildcard(1)}}"),
        },
        "EVENTS": {"compression": api.StoreCompression.S2, "deny_purge": True, "allow_msg_ttl": True},
    }
    for stream, settings in chosen.items():
        await given(nats, stream, **settings)
        await ensure_streams(nats, replicas=1)
        config = (await nats.jetstream.stream_info(stream)).config
        assert {name: getattr(config, name) for name in settings} == settings
        assert config.allow_direct


@pytest.mark.parametrize(
    ("stream", "settings"),
    [
        ("COMMANDS", {"deny_purge": True, "allow_msg_schedules": False, "allow_rollup_hdrs": False}),
        ("COMMANDS", {"deny_delete": True}),
        ("COMMANDS", {"max_age": 3600}),
        ("COMMANDS", {"max_bytes": 1_000_000}),
        ("COMMANDS", {"max_msgs_per_subject": 1}),
        ("COMMANDS", {"storage": api.StorageType.MEMORY}),
        ("COMMANDS", {"retention": api.RetentionPolicy.INTEREST}),
        ("COMMANDS", {"persist_mode": api.PersistMode.ASYNC, "allow_atomic": False}),
        ("EVENTS", {"max_bytes": 1_000_000}),
        ("EVENTS", {"max_age": 3600}),
        ("EVENTS", {"max_msg_size": 1000}),
        ("EVENTS", {"max_consumers": 3}),
        ("EVENTS", {"sources": [api.StreamSource("OTHER")]}),
        ("EVENTS", {"subject_transform": api.SubjectTransform("events.>", "moved.>")}),
        ("EVENTS", {"no_ack": True}),
    ],
)
async def test_a_setting_that_breaks_a_promise_is_refused_in_one_sentence(
    nats: Nats, stream: str, settings: dict[str, Any]
) -> None:
    await given(nats, stream, **settings)
    before = (await nats.jetstream.stream_info(stream)).config
    with pytest.raises(StreamFixed) as refused:
        await ensure_streams(nats, replicas=1)
    said = str(refused.value)
    assert said.startswith(f"the stream {stream} has {next(iter(settings))}, with which ")
    assert "nats stream edit" in said or f"delete {stream}" in said
    assert (await nats.jetstream.stream_info(stream)).config == before


async def test_running_parts_refuse_it_too(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WATCH_SECONDS", 0.05)
    watching = asyncio.create_task(watch_streams(nats, 1))
    config = (await nats.jetstream.stream_info("COMMANDS")).config
    await nats.jetstream.update_stream(replace(config, max_age=3600))
    async with asyncio.timeout(20):
        with pytest.raises(StreamFixed, match="the stream COMMANDS has max_age"):
            await watching
