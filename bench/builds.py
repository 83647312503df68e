"""This checkout and an earlier one, each installed as a deployment installs it: without what tests need."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.processes import ROOT, output_of

_ENVIRONMENTS = ROOT / "bench" / ".venv"


@dataclass(frozen=True)
class Build:
    """A checkout and the environment it is installed in. suffix: of the names of its measures."""

    checkout: Path
    environment: Path
    suffix: str = ""

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def command(self) -> Path:
        return self.environment / "bin" / "commander"

    @property
    def variables(self) -> dict[str, str]:
        """Its processes import their own build, wherever this one stands."""
        return {"PYTHONPATH": ""}

    async def install(self) -> None:
        """On first use, and again when its dependencies have changed."""
        made, wanted = self.environment / ".installed", str(self.checkout)
        needs = self.checkout / "pyproject.toml"
        if made.exists() and made.read_text() == wanted and made.stat().st_mtime >= needs.stat().st_mtime:
            return
        await output_of([sys.executable, "-m", "venv", "--clear", self.environment], timeout_seconds=600)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        what = ("-c", self.checkout / "constraints.txt", "-e", f"{self.checkout}[embedded]")
        await output_of([self.python, *install, *what], timeout_seconds=600)
        made.write_text(wanted)


NOW = Build(ROOT, _ENVIRONMENTS / "now")


@contextmanager
def build_before(checkout: Path | None, revision: str | None) -> Iterator[Build]:
    """The build to compare with: of a checkout that is there, or of a revision, for as long as this lasts."""
    if checkout is not None:
        yield Build(checkout.resolve(), _ENVIRONMENTS / "before", ", before")
        return
    with tempfile.TemporaryDirectory(prefix="commander-bench-before-") as folder:
        worktree = Path(folder) / "checkout"
        _git("worktree", "add", "--detach", str(worktree), revision or "HEAD")
        try:
            yield Build(worktree, Path(folder) / "environment", ", before")
        finally:
            _git("worktree", "remove", "--force", str(worktree))


def _git(*arguments: str) -> None:
    ended = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode:
        raise typer.BadParameter(ended.stderr.strip())
