"""Another service that follows the log. nats-py is all it needs; docs/contract.md is what it may rely on.

    python examples/consumer.py nats://localhost:4222 my-service 'events.account.>'

Prints one line of JSON for each event. Killed and started again it goes on where it was; the event that it
was at may then come once more, with the same position.
"""

from __future__ import annotations

import asyncio
import json
import sys

import nats
from nats.js.api import ConsumerConfig


async def follow(url: str, name: str, subject: str = "events.>") -> None:
    client = await nats.connect(url)
    in_order = ConsumerConfig(max_ack_pending=1, ack_wait=5)  # one at a time, also when it comes again
    events = await client.jetstream().pull_subscribe(subject, durable=name, stream="EVENTS", config=in_order)
    while True:
        try:
            [message] = await events.fetch(1, timeout=30)
        except TimeoutError:
            continue  # nothing happened
        headers = message.headers or {}
        event = {
            "position": message.metadata.sequence.stream,
            "type": message.subject.split(".")[2],
            "correlation": headers["Commander-Correlation-Id"],
            "data": json.loads(message.data),
        }
        print(json.dumps(event), flush=True)  # your effect stands here
        await message.ack_sync()


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
