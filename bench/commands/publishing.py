"""e: the limits of NATS: commands stored on disk one at a time, many at a time, and in atomic batches.

As a process: argv is the URL of a NATS with Commander's streams, the way, and how many messages. They are
made before the clock starts; it stops when the last one is acknowledged, which is when it is on disk.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import uuid4

import msgspec
import uvloop

from bench.commands.plan import Bench
from bench.filling import deposits
from bench.measuring import Measure
from bench.processes import MeasurementFailed, measured_by
from bench.servers import BANK, PARTITIONS
from bench.timed import Timed
from commander.streaming.commands.messages import message_of
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names
from commander.streaming.nats.publishing import publish_atomically

_UNDER_WAY = 500

Way = Callable[[Nats, list[OutMessage]], Awaitable[None]]


async def measure_publishing(bench: Bench) -> list[Measure]:
    counts = {
        "one by one": bench.plan.published_one_by_one,
        "pipelined": bench.plan.published_pipelined,
        "batches of 100": bench.plan.published_in_batches,
        "batches of 500": bench.plan.published_in_batches,
    }
    return [
        Measure(f"limit of NATS: {way}", "messages/s", await _rate(bench, way, count))
        for way, count in counts.items()
    ]


async def _rate(bench: Bench, way: str, count: int) -> float:
    async with bench.nats() as nats:
        printed = await measured_by("bench.commands.publishing", nats.servers[0], way, str(count))
        stored = (await nats.jetstream.stream_info(nats.names.commands)).state.messages
    if stored != count:
        raise MeasurementFailed(f"{count} messages were published, {stored} are stored")
    return msgspec.json.decode(printed, type=Timed).per_second


async def _one_by_one(nats: Nats, messages: list[OutMessage]) -> None:
    for message in messages:
        await nats.jetstream.publish(message.subject, message.payload)


async def _pipelined(nats: Nats, messages: list[OutMessage]) -> None:
    jetstream = nats.client.jetstream(publish_async_max_pending=_UNDER_WAY)
    acknowledged = [await jetstream.publish_async(m.subject, m.payload) for m in messages]
    await asyncio.gather(*acknowledged)


async def _in_batches(size: int, nats: Nats, messages: list[OutMessage]) -> None:
    for begin in range(0, len(messages), size):
        await publish_atomically(nats, messages[begin : begin + size])


_WAYS: dict[str, Way] = {
    "one by one": _one_by_one,
    "pipelined": _pipelined,
    "batches of 100": partial(_in_batches, 100),
    "batches of 500": partial(_in_batches, 500),
}


async def publish(url: str, way: str, count: int) -> Timed:
    nats = Nats(url, Names(BANK))
    await nats.connect("bench")
    commands = deposits([uuid4() for _ in range(1000)], count)
    messages = [message_of(nats.names, command, PARTITIONS) for command in commands]
    began = time.perf_counter()
    await _WAYS[way](nats, messages)
    seconds = time.perf_counter() - began
    await nats.close()
    return Timed(count, seconds)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(publish(sys.argv[1], sys.argv[2], int(sys.argv[3])))).decode())
