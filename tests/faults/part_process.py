"""One part as a process of its own, as a deployment runs it: `commander api`, `commander processor` …"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType


class PartProcess:
    """Starts on entering, is killed on leaving if it still runs. environment: its COMMANDER_… variables."""

    def __init__(self, name: str, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = data_dir / f"{name}.log"
        self._environment = environment

    def __enter__(self) -> PartProcess:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "commander", self.name],
                env={**inherited, **self._environment},
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
