"""A process of a build: how long it takes to be ready, and what it holds at rest."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psutil

from bench.builds import Build
from bench.processes import Process, until_it_answers

_LOOK_SECONDS = 0.01
_MIB = 1024 * 1024


class Memory(NamedTuple):
    """In MiB. resident: all its pages. proportional: a page that n processes share counts a n-th."""

    resident: float
    proportional: float


class Started(NamedTuple):
    process: Process
    seconds: float


@asynccontextmanager
async def started(
    build: Build, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path, port: int
) -> AsyncIterator[Started]:
    """A command of the build, from the moment that /health/ready on this port says so until it is ended."""
    log = folder / f"{uuid4().hex}.log"
    began = time.perf_counter()
    command: list[str | Path] = [build.command, *arguments]
    process = await Process.started(command, {**build.variables, **environment}, log, folder=folder)
    try:
        await until_it_answers(
            process, f"http://127.0.0.1:{port}/health/ready", timeout_seconds=60, look_seconds=_LOOK_SECONDS
        )
        yield Started(process, time.perf_counter() - began)
    finally:
        await process.stop(timeout_seconds=30)


def memory_of(process: Process) -> Memory:
    """Of this process alone."""
    return _memory(psutil.Process(process.pid))


def memory_of_python(process: Process) -> Memory:
    """Of this process and all below it that run Python: not of the servers."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    found = list[Memory]()
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            if Path(one.exe()).name.startswith("python"):
                found.append(_memory(one))
    return Memory(sum(one.resident for one in found), sum(one.proportional for one in found))


def _memory(process: psutil.Process) -> Memory:
    full = process.memory_full_info()
    return Memory(full.rss / _MIB, full.pss / _MIB)
