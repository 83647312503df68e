"""Processors that are killed and stopped, one at a time, while others go on."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from types import TracebackType

import psutil

from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys
from commander.eventstore.sharing import sessions
from tests.faults.part_process import PartProcess
from tests.faults.waiting import until

ENTRY = "tests.faults.self_stopping:main"
_FAULTS = "killed", "stopped", "silent"
_SHORT_SECONDS = 0.05, 0.6
_APART_SECONDS = 0.0, 0.4


class Fleet:
    """Runs from entering to leaving. faults: how many of each kind there were.

    environment: of each processor. partitions: how many they share. Some of them stop themselves while they
    hold the log, see self_stopping.py.
    """

    def __init__(
        self,
        database: Database,
        environment: Mapping[str, str],
        data_dir: Path,
        partitions: int,
        random_: random.Random,
    ) -> None:
        self.faults = Counter[str]()
        self._faults = cycle(_FAULTS)
        self._database = database
        self._environment = environment
        self._data_dir = data_dir
        self._partitions = partitions
        self._random = random_
        self._count = 0
        self._running: list[tuple[PartProcess, dict[str, str]]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, **settings: str) -> None:
        """Starts a processor, with these variables beside those of all."""
        self._count += 1
        directory = self._data_dir / str(self._count)
        directory.mkdir()
        process = PartProcess("processor", directory, {**self._environment, **settings}, entry=ENTRY)
        self._running.append((self._stack.enter_context(process), settings))

    async def suffer(self) -> None:
        """One fault, when the one before is over: a command whose processors all die would fail."""
        await asyncio.sleep(self._random.uniform(*_APART_SECONDS))
        await self.recovered()
        at = self._random.randrange(len(self._running))
        process, settings = self._running[at]
        fault = next(self._faults)
        match fault:
            case "killed":
                process.process.kill()
                await asyncio.to_thread(process.process.wait)
                del self._running[at]
                self.start(**settings)
            case "stopped":
                process.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(self._random.uniform(*_SHORT_SECONDS))
                process.process.send_signal(signal.SIGCONT)
            case "silent":
                process.process.send_signal(signal.SIGSTOP)
                await self._woken(process)
        self.faults[fault] += 1

    def has_seen_all(self) -> bool:
        """Whether there was one of each kind: killed, stopped, silent, held."""
        return self.faults.keys() == {*_FAULTS, "held"}

    async def recovered(self) -> None:
        """Returns when all partitions are owned, no command is in quarantine and no processor is stopped."""

        async def has() -> bool:
            for process, _ in self._running:
                assert process.process.poll() is None, process.log.read_text()[-4000:]
                if psutil.Process(process.process.pid).status() == psutil.STATUS_STOPPED:
                    self.faults["held"] += 1
                    await self._woken(process)
            attempted = await self._database.fetchval("select exists (select from attempts)")
            return not attempted and len(await held_keys(self._database, Lock.PARTITION)) == self._partitions

        await until(has, "all partitions are owned", timeout_seconds=60)

    async def _woken(self, process: PartProcess) -> None:
        """Continues a stopped process when the others have ended its sessions."""

        async def is_ended() -> bool:
            return process.process.pid not in {one.process for one in await sessions(self._database)}

        await until(is_ended, "the sessions of the stopped processor are ended", timeout_seconds=60)
        process.process.send_signal(signal.SIGCONT)
