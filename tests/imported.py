"""Modules that a test writes and imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """What is imported meanwhile is forgotten afterwards, so that another version of it can be imported."""
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            del sys.modules[name]


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """The folder, with these files in it."""
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder
