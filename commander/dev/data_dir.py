"""The data directory of `commander dev`: checked before it is used, and used by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from commander.domain import CommanderError

_LOCK = "lock"
"""The file that each run locks. It also shows that a directory is Commander's."""
_REMEDY = "choose another with --data-dir"


class DataDirTaken(CommanderError):
    """Another `commander dev` runs on this data directory; stop it, or choose another with --data-dir."""


class DataDirUnusable(CommanderError):
    """The data directory cannot be made or written, or holds other files. The message says which and why."""


@contextlib.contextmanager
def sole_use(data_dir: Path) -> Iterator[None]:
    """Makes the directory if it is missing, and holds it for this process.

    Raises DataDirTaken and DataDirUnusable.
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
        yield
