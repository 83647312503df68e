"""This checkout and an earlier one, each installed as a deployment installs it: without what tests need."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import typer

from bench.processes import ROOT, Process, output_of
from bench.servers import Servers, System

_ENVIRONMENTS = ROOT / "bench" / ".venv"
_MIGRATE = """
import asyncio, sys
from commander.eventstore.database import Database
from commander.eventstore.migrate import migrate

async def main():
    database = Database(sys.argv[1])
    await migrate(database)
    await database.close()

asyncio.run(main())
"""


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

    @asynccontextmanager
    async def system(self, servers: Servers, name: str = "bank") -> AsyncIterator[System]:
        """A system with the tables of this build, and no process of it yet. name: of the domain."""
        async with servers.database(migrated=False) as url:
            await output_of((self.python, "-c", _MIGRATE, url), self.variables, folder=servers.folder)
            template = re.search(r"/(bench_\w+)\?", url)
            assert template is not None, "a database of this run"
            async with servers.system(template[1], name) as system:
                yield system

    @asynccontextmanager
    async def part(
        self, system: System, *arguments: str, core: int | None = None, **environment: str
    ) -> AsyncIterator[Process]:
        """A part as a process of this build, from its start until it is told to end."""
        given = {
            "COMMANDER_POSTGRES_URL": system.postgres_url,
            "COMMANDER_NATS_URL": system.nats_url,
            "COMMANDER_AUTH": "none",
            **self.variables,
            **environment,
        }
        command: list[str | Path] = [self.command, *arguments]
        log = system.folder / f"{uuid4().hex}.log"
        process = await Process.started(command, given, log, core, folder=system.folder)
        try:
            yield process
        finally:
            await process.stop()


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
