"""OrderedConsumer: every message in order, once, whatever happens to the consumer or the connection."""

from __future__ import annotations

import asyncio
import logging

import pytest
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Unavailable
from commander.streaming.nats.chunks import OutMessage, RawMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import OrderedConsumer, StreamReplaced
from commander.streaming.nats.publishing import publish_atomically
from commander.streaming.nats.streams import ensure_streams


async def publish(nats: Nats, first: int, count: int, partition: int = 0) -> None:
    messages = [OutMessage(f"commands.{partition}.{n}", b"%d" % n, {}) for n in range(first, first + count)]
    await publish_atomically(nats, messages)


async def read(pull: OrderedConsumer, count: int, limit: int = 100, timeout: float = 1) -> list[int]:
    """The payloads of the next `count` messages, waited for through outages."""
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            try:
                most = min(limit, count - len(found))  # a batch has what has arrived
                found += [int(message.data) for message in await pull.next_batch(most, timeout)]
            except Unavailable:
                await asyncio.sleep(0.05)
    return found


async def test_more_than_the_capacity_is_read_in_order(nats: Nats, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "commander.nats")
    for begin in range(0, 2000, 500):
        await publish(nats, begin, 500)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0, capacity=64) as pull:
        assert await read(pull, 2000, limit=7) == list(range(2000))
    assert "a new consumer after 64: 409" not in caplog.text, "a completed request is no reason for one"


async def test_large_messages_are_requested_and_taken_by_their_bytes(nats: Nats) -> None:
    large = [OutMessage(f"commands.0.{n}", b"%d" % n + b" " * 500_000, {}) for n in range(60)]
    await publish_atomically(nats, large)
    await publish(nats, 60, 100)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0) as pull, asyncio.timeout(30):
        first = await pull.next_batch(1, 5)
        while pull._requests:  # until the server sends no more
            await asyncio.sleep(0.01)
        assert 20 <= len(pull._buffer) <= 34
        found = [int(message.data) for message in first]
        while len(found) < 160:
            batch = await pull.next_batch(1000, 5)
            assert sum(len(message.data) for message in batch) < 4_800_000
            found += [int(message.data) for message in batch]
    assert found == list(range(160))


async def test_reading_begins_behind_a_sequence_and_keeps_to_its_subjects(nats: Nats) -> None:
    await publish(nats, 0, 10, partition=0)
    await publish(nats, 100, 10, partition=1)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.1.*"], 15) as pull:
        assert await read(pull, 5) == [105, 106, 107, 108, 109]


async def test_an_empty_stream_gives_an_empty_batch_in_time(nats: Nats) -> None:
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0) as pull, asyncio.timeout(30):
        assert await pull.next_batch(10, timeout_seconds=0.05) == []


async def test_a_consumer_that_is_deleted_is_made_again_without_loss(nats: Nats) -> None:
    await publish(nats, 0, 100)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0, capacity=20) as pull:
        first = await read(pull, 10, limit=10)
        await nats.jetstream.delete_consumer("COMMANDS", pull._consumer)
        assert first + await read(pull, 90) == list(range(100))


async def test_a_server_that_restarts_costs_no_message(nats: Nats, nats_server: EmbeddedNats) -> None:
    await publish(nats, 0, 100)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0, capacity=20) as pull:
        first = await read(pull, 10, limit=10)
        assert nats_server.process is not None
        nats_server.process.kill()
        await nats_server.process.wait()
        await nats_server.start()
        assert first + await read(pull, 90) == list(range(100))


@pytest.mark.parametrize("timeout", [0.2, 1.0])
async def test_a_request_that_got_lost_is_noticed_by_calls_with_a_short_timeout(
    nats: Nats, timeout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(nats, 0, 20)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0) as pull:
        lost = []

        async def lose(*_: object, **__: object) -> None:
            lost.append(1)
            monkeypatch.undo()

        monkeypatch.setattr(nats.client, "publish", lose)
        assert await read(pull, 20, timeout=timeout) == list(range(20))
    assert lost


async def test_a_connection_that_is_lost_while_the_consumer_is_made_breaks_it(
    nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(nats, 0, 20)
    made: list[str] = []
    add_consumer = JetStreamContext.add_consumer

    async def lost(self: JetStreamContext, stream: str, config: ConsumerConfig) -> ConsumerInfo:
        info = await add_consumer(self, stream, config)
        if not made:
            for reconnected in list(nats._on_reconnect):
                reconnected()
        made.append(info.name)
        return info

    monkeypatch.setattr(JetStreamContext, "add_consumer", lost)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0) as pull:
        assert await read(pull, 20) == list(range(20))
    assert len(made) == 2


async def test_a_lost_delivery_is_noticed_by_its_number(nats: Nats) -> None:
    await publish(nats, 0, 50)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0, capacity=10) as pull:
        first = await read(pull, 10, limit=10)
        pull._delivered -= 1  # as if one had been missed: the next number does not fit
        assert first + await read(pull, 40) == list(range(50))


async def test_a_replaced_stream_is_told_not_mixed_up(nats: Nats) -> None:
    await publish(nats, 0, 5)
    async with OrderedConsumer(nats, "COMMANDS", ["commands.*.*"], 0) as pull:
        assert await read(pull, 5) == list(range(5))
        await nats.jetstream.delete_stream("COMMANDS")
        await ensure_streams(nats, 1)
        with pytest.raises(StreamReplaced):
            await read(pull, 1)


async def test_what_is_skipped_is_counted_and_its_end_is_told(nats: Nats) -> None:
    for begin in range(0, 1800, 300):
        await publish(nats, begin, 100, partition=1)
        await publish(nats, begin + 100, 100, partition=0)
        await publish(nats, begin + 200, 100, partition=1)
    skipped = r"commands\.1\.[^ ]+"
    async with (
        OrderedConsumer(nats, "COMMANDS", [], 0, capacity=64, skipped=skipped) as pull,
        asyncio.timeout(30),
    ):
        own, last = [], 0
        while last < 1800:
            for message in await pull.next_batch(50, 1):
                assert message.sequence > last
                last = message.sequence
                if message.subject.startswith("commands.0."):
                    own.append(int(message.data))
        assert own == [n for n in range(1800) if n % 300 // 100 == 1]
        assert pull.waiting == 0
        await pull.next_batch(50, 0)  # asks for more, if it is time
        while True:
            info = await nats.jetstream.consumer_info("COMMANDS", pull._consumer)
            if info.num_waiting == len(pull._requests):
                break
            await asyncio.sleep(0.01)
        assert info.delivered is not None
        assert info.delivered.consumer_seq == pull._delivered


async def test_a_lost_delivery_among_skipped_ones_is_noticed(nats: Nats) -> None:
    async with OrderedConsumer(nats, "COMMANDS", [], 0, skipped=r"commands\.1\.[^ ]+") as pull:
        receive = pull._receiver()
        reply = "$JS.ACK.COMMANDS.c.1.{0}.{0}.1764553000000000000.0"
        run = [
            RawMessage(b"commands.0.1", reply.format(1).encode(), b"", b"1"),
            RawMessage(b"commands.1.4", reply.format(4).encode(), b"", b"", (50, 50)),
            RawMessage(b"commands.0.5", reply.format(5).encode(), b"", b"5"),
        ]
        receive(run)
        assert pull._broken == "message 2 was lost"
        assert [message.sequence for message in pull._buffer] == [1]
