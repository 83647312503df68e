"""One part as a process of its own, as a deployment runs it: `commander api`, `commander processor` …

It is a fork of a process that has imported Commander, or started by Python: see tests/forking.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.forking import Forked, fork_server


class PartProcess:
    """Starts on entering, is killed on leaving if it still runs.

    environment: its COMMANDER_… variables. fork: False where a test is about starting or about memory.
    network: the network namespace of a fork. entry: the function that a fork runs.
    """

    def __init__(
        self,
        name: str,
        data_dir: Path,
        environment: Mapping[str, str],
        *,
        fork: bool = True,
        network: str | None = None,
        entry: str = "commander.cli.main:main",
    ) -> None:
        self.name = name
        self.log = data_dir / f"{name}.log"
        self.process: Forked | subprocess.Popen[bytes]
        self._environment = environment
        self._fork = fork
        self._network = network
        self._entry = entry

    def __enter__(self) -> PartProcess:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
        environment = {**inherited, **self._environment}
        with self.log.open("wb") as log:
            if self._fork:
                self.process = fork_server().start(
                    [self.name],
                    environment,
                    log.fileno(),
                    log.fileno(),
                    network=self._network,
                    entry=self._entry,
                )
            else:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "commander", self.name],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self, text: str) -> list[str]:
        """What it has logged so far, the lines that contain this text."""
        return [line for line in self.log.read_text().splitlines() if text in line]

    def end(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=15)
