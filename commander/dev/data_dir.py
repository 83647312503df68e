"""The data directory of `commander dev`: it has the data of one system, and one process at a time uses it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from commander.domain import CommanderError

_PARENT = Path(".commander")
"""Where the data directories are by default. Earlier versions keep one system's data directly in it."""
_LOCK = "lock"
"""The file that each run locks. It also shows that a directory is Commander's."""
_SYSTEM = "system"
"""The file with the name of the system whose data it is."""
_REMEDY = "choose another with --data-dir"


class DataDirTaken(CommanderError):
    """Another `commander dev` runs on this data directory; stop it, or choose another with --data-dir."""


class DataDirUnusable(CommanderError):
    """The data directory cannot be made or written, or holds other files. The message says which and why."""


class DataOfAnotherSystem(CommanderError):
    """The data directory holds the data of another system. The message says which, and what to do."""

    def __init__(self, data_dir: Path, owner: str, system: str) -> None:
        super().__init__(
            f"{data_dir} has the data of the system {owner}, and this is the system {system} "
            f"(COMMANDER_SYSTEM, by default the domain's name); {_REMEDY}, or leave --data-dir out to use "
            f"{_PARENT / system}"
        )


def default_data_dir(system: str) -> Path:
    """The directory of this system: `.commander/<system>`.

    If an earlier version has put data into `.commander` itself, it is that, unless it is known to be the data
    of another system.
    """
    is_of_before = (_PARENT / _LOCK).is_file() and _owner(_PARENT) in (None, system)
    return _PARENT if is_of_before else _PARENT / system


def _owner(data_dir: Path) -> str | None:
    try:
        return (data_dir / _SYSTEM).read_text("utf-8").strip()
    except FileNotFoundError:
        return None


async def settle_owner(data_dir: Path, system: str, postgres_url: str | None) -> None:
    """Records whose data it is. Raises DataOfAnotherSystem.

    postgres_url: the database in this directory, which may be older than the record. None if there is none.
    """
    found = None if postgres_url is None else await _owner_of_database(postgres_url)
    if found != "":  # a system that is older than names
        (data_dir / _SYSTEM).write_text(f"{found or system}\n", "utf-8")
    if found and found != system:
        raise DataOfAnotherSystem(data_dir, found, system)


async def _owner_of_database(url: str) -> str | None:
    connection = await asyncpg.connect(url)
    try:
        name: str | None = await connection.fetchval("select name from system_identity")
        return name
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


@contextlib.contextmanager
def sole_use(data_dir: Path, system: str) -> Iterator[None]:
    """Makes the directory if it is missing, and holds it for this process.

    Raises DataDirTaken, DataDirUnusable and DataOfAnotherSystem.
    """
    if not str(data_dir).isprintable():
        raise DataDirUnusable(f"the data directory {str(data_dir)!r} has a control character; {_REMEDY}")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if os.listdir(data_dir) and not (data_dir / _LOCK).exists():
            raise DataDirUnusable(
                f"{data_dir} has files of something else in it; "
                "choose a new or an empty directory with --data-dir"
            )
        lock = (data_dir / _LOCK).open("w")
    except OSError as error:
        raise DataDirUnusable(
            f"cannot use the data directory {data_dir}: {error.strerror}; {_REMEDY}"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirTaken(f"another commander dev uses {data_dir}; stop it, or {_REMEDY}") from None
        if (owner := _owner(data_dir)) not in (None, system):
            raise DataOfAnotherSystem(data_dir, str(owner), system)
        yield
