"""Environments of the peers, each beside its program; nothing is added to Commander's own."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.processes import output_of


async def install_python(folder: Path) -> None:
    """`.venv` from requirements.txt, made on first use and again when that has changed."""
    requirements, made = folder / "requirements.txt", folder / ".venv" / ".installed"
    if not _is_newer(made, requirements):
        await output_of([sys.executable, "-m", "venv", "--clear", folder / ".venv"], timeout_seconds=600)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        await output_of(
            [folder / ".venv" / "bin" / "python", *install, "-r", requirements], timeout_seconds=600
        )
        made.touch()


async def install_node(folder: Path) -> None:
    """`node_modules` from package-lock.json, made on first use and again when that has changed."""
    lock, made = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not _is_newer(made, lock):
        npm = ("npm", "ci", "--silent", "--no-audit", "--no-fund")
        await output_of(npm, timeout_seconds=600, folder=folder)


def eventsourcing_environment(url: str) -> dict[str, str]:
    """The variables from which the library eventsourcing takes where its Postgres is."""
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.removeprefix("/"),
        "POSTGRES_HOST": parse_qs(parts.query)["host"][0],
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": "unused",  # it must be given; the socket asks for none
    }


def _is_newer(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime >= source.stat().st_mtime
