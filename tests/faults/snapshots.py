"""JetStream's snapshot of a stream, as `nats stream backup` and `nats stream restore` take and restore it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg


class Snapshot(NamedTuple):
    """about: the stream's configuration and state. chunks: what the server has sent."""

    about: dict[str, Any]
    chunks: list[bytes]


async def snapshot_of(client: Client, stream: str) -> Snapshot:
    inbox, chunks = client.new_inbox(), list[bytes]()
    whole = asyncio.Event()

    async def receive(message: Msg) -> None:
        if message.data:
            chunks.append(message.data)
        else:
            whole.set()
        if message.reply:
            await message.respond(b"")

    subscription = await client.subscribe(inbox, cb=receive)
    request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": 65536}
    about = await _asked(client, f"$JS.API.STREAM.SNAPSHOT.{stream}", request)
    async with asyncio.timeout(20):
        await whole.wait()
    await subscription.unsubscribe()
    return Snapshot({"config": about["config"], "state": about["state"]}, chunks)


async def restore_snapshot(client: Client, stream: str, snapshot: Snapshot) -> None:
    begun = await _asked(client, f"$JS.API.STREAM.RESTORE.{stream}", snapshot.about)
    for chunk in snapshot.chunks:
        await client.request(begun["deliver_subject"], chunk, timeout=20)
    ended = json.loads((await client.request(begun["deliver_subject"], b"", timeout=20)).data)
    assert "error" not in ended, ended


async def _asked(client: Client, subject: str, request: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        (await client.request(subject, json.dumps(request).encode(), timeout=20)).data
    )
    assert "error" not in answer, answer
    return answer
