"""Node.js with the packages of a package-lock.json, which all checkouts on this machine share."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

PACKAGE = Path(__file__).with_name("js")
STAMP = ".installed-as"
"""A file in node_modules: the key of what is installed there."""
_STARTS = 60
"""As many starts of Node.js as one that loads a whole gateway may be worth."""


def installed(package: Path = PACKAGE) -> None:
    """Installs the packages where that has not been done; skips the test without node and npm."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        pytest.skip("NOT RUN: node or npm is absent, so nothing in JavaScript was tried")
    modules, key = package / "node_modules", key_of(package)
    with (package / "package-lock.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other processes of this run may want the same
        installed_as = modules / STAMP
        if installed_as.exists() and installed_as.read_text() == key:
            return
        original = store() / key
        if original.exists():
            shutil.rmtree(modules, ignore_errors=True)
            linked(original, modules)
        else:
            command = [npm, "ci", "--prefer-offline", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=package, check=True, timeout=120)
            keep(modules, original)
        installed_as.write_text(key)


def key_of(package: Path) -> str:
    """What its packages depend on: the Node.js, what is asked for and locked, and what no lock file names,
    the content of folders of this repository."""
    files = [package / name for name in ("package.json", "package-lock.json", ".npmrc")]
    wanted = json.loads(files[0].read_text("utf-8")).get("dependencies", {}).values()
    for folder in (package / one.removeprefix("file:") for one in wanted if one.startswith("file:")):
        files += packed(folder)
    read = [file.read_bytes() if file.exists() else b"" for file in files]
    return sha256(b"\0".join([node(), *read])).hexdigest()


def packed(folder: Path) -> list[Path]:
    """The files that npm installs of a folder."""
    about = folder / "package.json"
    kept = json.loads(about.read_text("utf-8"))["files"]
    return [about, *sorted(file for name in kept for file in (folder / name).rglob("*") if file.is_file())]


@cache
def node() -> bytes:
    """The version, the system and the processor that packages are installed for."""
    return subprocess.check_output(["node", "-p", "process.version + process.platform + process.arch"])


def store() -> Path:
    """Where packages stay for other checkouts. It may be deleted at any time."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "commander-tests" / "node_modules"


def keep(modules: Path, original: Path) -> None:
    """Puts installed packages into the store, whole or not at all."""
    unfinished = original.with_name(f"unfinished-{uuid4().hex}")
    linked(modules, unfinished)
    try:
        unfinished.rename(original)
    except OSError:  # another checkout was faster
        shutil.rmtree(unfinished)


def linked(source: Path, target: Path) -> None:
    """A folder with the files of another: hard links to them, or copies on another file system.

    npm replaces files and never writes into them, so a link is as good as a copy.
    """

    def link(file: str, made: str) -> None:
        try:
            os.link(file, made)
        except OSError:
            shutil.copy2(file, made)

    shutil.copytree(source, target, symlinks=True, copy_function=link)


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


async def printed(process: Process, timeout_seconds: float = 20) -> dict[str, Any]:
    """The next line that it prints, as JSON."""
    assert process.stdout is not None
    async with asyncio.timeout(timeout_seconds):
        line: dict[str, Any] = json.loads(await process.stdout.readline())
    return line


async def started(process: Process) -> dict[str, Any]:
    """The first line that it prints, as JSON. It may take longer by what starting Node.js takes meanwhile."""
    return await printed(process, 20 + _STARTS * await _start_seconds())


async def _start_seconds() -> float:
    """How long Node.js takes to start and to end, now."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    process = await asyncio.create_subprocess_exec("node", "-p", "1", stdout=DEVNULL)
    await process.wait()
    return loop.time() - began
