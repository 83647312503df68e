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
from nats.errors import NoRespondersError
from nats.js.api import ConsumerConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError, ServiceUnavailableError

REQUEST_SECONDS = 2
"""How long one request waits for an event. A reconnection loses a request, and nobody tells the client."""

UNANSWERED = (TimeoutError, NoRespondersError, ServiceUnavailableError)


async def follow(url: str, system: str, name: str, subject: str = ">") -> None:
    client = await nats.connect(url, max_reconnect_attempts=-1)
    in_order = ConsumerConfig(max_ack_pending=1, ack_wait=5)  # one at a time, also for a redelivery
    filter = f"{system}.events.{subject}"
    events = await client.jetstream().pull_subscribe(
        filter, durable=name, stream=f"{system}-EVENTS", config=in_order
    )
    found = (await events.consumer_info()).config.filter_subject
    if found != filter:  # the consumer was there before, and has kept its filter
        sys.exit(f"the consumer {name} follows {found}: give another name, or delete that consumer")
    while True:
        try:
            [message] = await events.fetch(1, timeout=REQUEST_SECONDS)
        except UNANSWERED:
            await must_exist(events, name)
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
        try:
            await message.ack_sync()
        except UNANSWERED:
            await must_exist(events, name)  # if it does, the event comes again


async def must_exist(events: JetStreamContext.PullSubscription, name: str) -> None:
    """Ends the program if the consumer was deleted. To one that only asks for events, that looks quiet."""
    try:
        await events.consumer_info()
    except NotFoundError:
        sys.exit(f"the consumer {name} was deleted: see 'When the log was set back' in docs/contract.md")
    except UNANSWERED:
        await asyncio.sleep(1)  # NATS is away, or has no leader


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
