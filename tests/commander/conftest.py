"""An environment without settings, and the command line as a process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forking import fork_server

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("COMMANDER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def commander(tmp_path: Path) -> Run:
    """Runs `commander` with these arguments, in an empty directory, with these variables."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return fork_server().run(arguments, {**os.environ, **environment}, tmp_path)

    return run
