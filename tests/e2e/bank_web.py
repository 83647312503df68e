"""The page of examples/bank-web: built with the packed client, and served by Vite in front of an API."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from commander.dev.embedded import free_port
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.typescript.files import typescript_files
from tests.e2e.nodejs import installed
from tests.e2e.typescript import PACKAGE as CLIENT

WEB = Path(__file__).parents[2] / "examples" / "bank-web"
START_SECONDS = 30


def built() -> None:
    """Builds the client, the bank's files and the page; skips the test without node and npm."""
    installed(CLIENT)
    with (WEB / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other processes of this run may do the same
        dist = CLIENT / "dist"
        if _newest(CLIENT / "src") > _newest(dist):
            _run(CLIENT, "npm", "run", "--silent", "build")
        generated = WEB / "src" / "commander"
        generated.mkdir(exist_ok=True)
        for name, text in typescript_files(bank, build_schema(bank).as_str()).items():
            (generated / name).write_text(text, "utf-8")
        installed(WEB)
        _run(WEB, "npm", "run", "--silent", "build")


def _newest(folder: Path) -> float:
    """When the newest file was changed; 0 if there is none."""
    return max((path.stat().st_mtime for path in folder.rglob("*") if path.is_file()), default=0)


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@asynccontextmanager
async def served(api: str) -> AsyncIterator[str]:
    """The URL of the built page, as long as it is served. api: such as http://127.0.0.1:8000."""
    port = free_port()
    command = [
        "node_modules/.bin/vite",
        "preview",
        "--host",
        "127.0.0.1",
        "--strictPort",
        "--port",
        str(port),
    ]
    environment = {**os.environ, "COMMANDER_URL": api}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=WEB, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                assert process.returncode is None, "vite preview has ended"
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        yield f"http://127.0.0.1:{port}/"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
