"""Another service that follows the log. It needs only nats-py, and relies only on docs/contract.md.

    python examples/consumer.py nats://localhost:4222 bank my-service 'account.>'

It follows the system `bank`. It prints one line of JSON for each event. After a restart it continues where it
was. The last event may then be delivered again, with the same position.
"""

from __future__ import annotations

import asyncio
import json
import sys

import nats
from nats.js.api import ConsumerConfig


async def follow(url: str, system: str, name: str, subject: str = ">") -> None:
    client = await nats.connect(url)
    in_order = ConsumerConfig(max_ack_pending=1, ack_wait=5)  # one at a time, also for a redelivery
    events = await client.jetstream().pull_subscribe(
        f"{system}.events.{subject}", durable=name, stream=f"{system}-EVENTS", config=in_order
    )
    while True:
        try:
            [message] = await events.fetch(1, timeout=30)
        except TimeoutError:
            continue  # there was no event
        headers = message.headers or {}
        event = {
            "position": message.metadata.sequence.stream,
            "epoch": int(headers.get("Commander-Epoch", "1")),  # keep it beside the position
            "type": message.subject.split(".")[3],
            "correlation": headers["Commander-Correlation-Id"],
            "data": json.loads(message.data),
        }
        print(json.dumps(event), flush=True)  # replace this with your own code
        await message.ack_sync()


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
