"""What a part tells NATS about its client, as operators see it with `nats server report connections`."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version
from pathlib import Path

from commander.dev.embedded import _nats_server, free_ports

CODE = """
import asyncio, json, sys, urllib.request
sys.modules["aiohttp"] = None  # it is for tests; a deployment does not have it
from commander.streaming.nats.connection import Nats
assert "importlib.metadata" not in sys.modules

async def main(url, monitor):
    nats = Nats(url)
    await nats.connect("commander relay")
    seen = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(monitor + "/connz")))
    print(json.dumps([[one["name"], one["lang"], one["version"]] for one in seen["connections"]]))
    await nats.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_part_tells_nats_the_version_of_its_client(tmp_path: Path) -> None:
    port, monitor = free_ports(2)
    server = await asyncio.create_subprocess_exec(
        _nats_server(), "--addr", "127.0.0.1", "--port", str(port), "--http_port", str(monitor), cwd=tmp_path
    )
    try:
        part = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CODE, f"nats://127.0.0.1:{port}", f"http://127.0.0.1:{monitor}"),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            said, _ = await part.communicate()
    finally:
        server.terminate()
        await server.wait()
    assert json.loads(said) == [["commander relay", "python3", version("nats-py")]]
