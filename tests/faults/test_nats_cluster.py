"""A node of a NATS cluster is lost: what others served goes on, also where no connection broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from nats.js.errors import APIError

from commander.domain.errors import Unavailable
from commander.streaming.commands.messages import command_subject
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import OrderedConsumer
from commander.streaming.nats.publishing import publish_atomically
from commander.streaming.nats.streams import ensure_streams
from tests.faults.waiting import until
from tests.names import NAMES
from tests.test_compose import NATS_NODES, Node, cluster, until_healthy


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[dict[str, Node]]:
    """The three nodes of a cluster, by their names."""
    async with cluster(tmp_path) as started:
        await asyncio.gather(*(until_healthy(node, "/healthz") for node in started))
        yield dict(zip(NATS_NODES, started, strict=True))


async def test_a_reader_whose_consumer_died_with_another_node_reads_on(nodes: dict[str, Node]) -> None:
    home = "nats-1"
    nats = Nats(nodes[home].url, NAMES)
    await nats.connect("reader")
    await until_made(nats)
    async with OrderedConsumer(nats, "COMMANDS", [command_subject(NAMES, 0, "*")], 0) as reader:
        elsewhere = await consumer_node(nats)
        while elsewhere == home:  # where a consumer is put is the cluster's choice
            reader._break("to be put elsewhere")
            await reader.next_batch(1, 0.1)
            elsewhere = await consumer_node(nats)
        nodes[elsewhere].process.kill()
        await nodes[elsewhere].process.wait()
        await until_stored(nats, b"after the loss")

        async def read() -> bool:
            try:
                messages = await reader.next_batch(10, 1.0)
            except Unavailable:  # as long as the nodes have no leader
                return False
            return [message.data for message in messages] == [b"after the loss"]

        await until(read, "the message is read, by asking for a second at a time", timeout_seconds=20)
        assert nats.connected
    await nats.close()


async def until_made(nats: Nats) -> None:
    """Makes the streams; while the nodes still find together, again."""

    async def made() -> bool:
        try:
            await ensure_streams(nats, replicas=3)
        except (Unavailable, APIError):
            return False
        return True

    await until(made, "the cluster makes the streams")


async def consumer_node(nats: Nats) -> str:
    """The node that keeps the stream's one consumer, once the node that is asked knows of it."""
    leaders: list[str] = []

    async def known() -> bool:
        consumers = await nats.jetstream.consumers_info("COMMANDS")
        leaders[:] = [str(one.cluster.leader) for one in consumers if one.cluster is not None]
        return len(leaders) == 1

    await until(known, "the stream has one consumer")
    return leaders[0]


async def until_stored(nats: Nats, payload: bytes) -> None:
    """Publishes once; while the cluster elects, again."""

    async def stored() -> bool:
        try:
            await publish_atomically(
                nats, [OutMessage(command_subject(NAMES, 0, "x"), payload, {})], expected_last=0
            )
        except Unavailable:
            return False
        return True

    await until(stored, "the cluster stores a message")
