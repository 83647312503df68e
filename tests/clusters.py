"""Data directories with a Postgres in them: initdb takes a second, a copy of what it made takes none."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

from commander.dev.embedded import EmbeddedPostgres


class Clusters:
    """For tests that are not about the first start of a system. The processes of a run share one original."""

    def __init__(self, directories: pytest.TempPathFactory, *, shared: Path) -> None:
        self._directories = directories
        self._shared = shared

    def copy(self, name: str) -> Path:
        """A new data directory of this name, as the first start of Postgres leaves it."""
        original = self._shared / "original"
        with (self._shared / "original.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not original.exists():
                made = self._shared / "unfinished"
                made.mkdir(exist_ok=True)
                EmbeddedPostgres(made)._initialized()
                made.rename(original)
        directory = self._directories.mktemp(name)
        subprocess.run(["cp", "-a", original / "postgres", directory / "postgres"], check=True)
        (directory / "lock").touch()  # so that `commander dev` takes the directory for its own
        return directory
