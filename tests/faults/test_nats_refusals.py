"""NATS is there, and says no: it is told in words, and what was not stored is told as such."""

from __future__ import annotations

import asyncio
import logging
from uuid import uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Unavailable
from commander.streaming.commands.messages import command_subject
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import publish_atomically
from tests.faults.waiting import until
from tests.names import NAMES

SUBJECT = command_subject(NAMES, 0, "x")
OPEN_BATCHES_PER_STREAM = 50  # the server's limit


async def test_a_batch_that_found_no_room_is_unavailable_and_nothing_of_it_is_stored(nats: Nats) -> None:
    for _ in range(OPEN_BATCHES_PER_STREAM):  # as of publishers that died in the middle
        await nats.client.publish(SUBJECT, b"", headers=_headers(uuid4().hex, 1))
    with pytest.raises(Unavailable):
        await publish_atomically(nats, [OutMessage(SUBJECT, b"", {})] * 2)
    assert (await nats.jetstream.stream_info("COMMANDS")).state.messages == 0


async def test_a_wrong_token_is_told_once(
    nats_server: EmbeddedNats, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "commander.nats")
    nats = Nats(nats_server.url.replace("nats://", "nats://wrong"), NAMES)
    connecting = asyncio.create_task(nats.connect("stranger"))

    def told() -> list[int]:
        return [record.levelno for record in caplog.records if "Authorization Violation" in record.message]

    await until(lambda: len(told()) >= 3, "it tries again and again")
    connecting.cancel()
    await asyncio.wait([connecting])
    assert told().count(logging.WARNING) == 1
    assert not nats.connected


def _headers(batch_id: str, number: int) -> dict[str, str]:
    return {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
