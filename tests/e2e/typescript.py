"""The client in clients/typescript, built for the bank, and as a process that does what a test says."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.typescript.files import typescript_files
from tests.e2e.nodejs import installed, script

PACKAGE = Path(__file__).parents[2] / "clients" / "typescript"
BREAK_SECONDS = 30
CODECS = ("Decimal=../../tests/codecs.js", "DateTime=../../tests/codecs.js", "Position=../../tests/codecs.js")


@cache
def built() -> None:
    """Writes the bank's files and bundles the programs, once in a process; skips without node and npm."""
    installed(PACKAGE)
    generated = PACKAGE / "generated"
    with (PACKAGE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of this run do the same
        schema = build_schema(bank).as_str()
        for folder, codecs in ((generated, ()), (generated / "coded", CODECS)):
            folder.mkdir(exist_ok=True)
            for name, text in typescript_files(bank, schema, codecs).items():
                (folder / name).write_text(text, "utf-8")
        command = ["node", "build-tests.mjs"]
        subprocess.run(command, cwd=PACKAGE, check=True, timeout=60, capture_output=True)


class BankClient:
    """A running process. items: those of the feed that it has printed; lines: all other lines.

    breaks: how many there were before the last item. broke: the messages of all so far.
    """

    def __init__(self, process: Process) -> None:
        self.items: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.breaks = 0
        self.broke: list[str] = []
        self._process = process
        self._changed = asyncio.Event()

    async def do(self, *what: str) -> None:
        """Begins what tests/bank.ts has under a name, with its arguments."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(what)}\n".encode())
        await self._process.stdin.drain()

    async def until(self, condition: Any, what: str) -> None:
        """Waits until the condition holds for what was printed."""
        try:
            async with asyncio.timeout(BREAK_SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            message = f"not in {BREAK_SECONDS} s: {what}; {len(self.items)} items, {self.lines[-3:]}"
            raise AssertionError(message) from None

    @property
    def events(self) -> list[dict[str, Any]]:
        return [item for item in self.items if "version" in item]

    @property
    def position(self) -> int:
        """Of the last item of the feed."""
        return int(self.items[-1]["position"])

    def caught_up(self) -> bool:
        return any(item["__typename"] == "CaughtUp" for item in self.items)

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        return [line["outcome"] for line in self.lines if "outcome" in line]

    async def read(self) -> None:
        """Takes what it prints, until it ends."""
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            line = json.loads(text)
            if "item" in line:
                self.items.append(line["item"])
                self.breaks = line["breaks"]
            elif "broke" in line:
                self.broke.append(line["broke"])
            else:
                self.lines.append(line)
            self._changed.set()


@asynccontextmanager
async def bank_client(url: str, transport: str, silence_ms: int = 500) -> AsyncIterator[BankClient]:
    """A client of the bank at this URL. transport: sse or ws. silence_ms: when it gives up a connection."""
    async with script(PACKAGE / "build" / "bank.mjs", url, transport, str(silence_ms)) as process:
        client = BankClient(process)
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reading.cancel()
