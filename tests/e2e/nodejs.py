"""Node.js with the packages of a package-lock.json."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).with_name("js")


def installed(package: Path = PACKAGE) -> None:
    """Installs the packages where that has not been done; skips the test without node and npm."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        pytest.skip("NOT RUN: node or npm is absent, so nothing in JavaScript was tried")
    kept, locked = package / "node_modules" / ".package-lock.json", package / "package-lock.json"
    with locked.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other processes of this run may want the same
        if not kept.exists() or kept.stat().st_mtime < locked.stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=package, check=True, timeout=120)
            kept.touch()


@asynccontextmanager
async def script(name: str | Path, *arguments: str) -> AsyncIterator[Process]:
    """A script of js/, or at a path, running; killed on leaving if it still runs."""
    process = await asyncio.create_subprocess_exec(
        "node", str(PACKAGE / name), *arguments, stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def printed(process: Process) -> dict[str, Any]:
    """The next line that it prints, as JSON."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        line: dict[str, Any] = json.loads(await process.stdout.readline())
    return line
