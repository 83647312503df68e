"""Several test processes that begin in a fresh checkout: each compiles some of the modules first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest


def import_share(config: pytest.Config) -> None:
    """Imports this process's share of the modules that it is about to collect. One process alone has none.

    All processes collect the same modules in the same order. So each would rewrite the assertions of every
    module, which takes longer than the rest of the collection. What is imported leaves its bytecode for the
    others. A module that cannot be imported is left to the collection, which says why.
    """
    worker: dict[str, object] | None = getattr(config, "workerinput", None)
    if worker is None:
        return
    number, count = int(str(worker["workerid"]).removeprefix("gw")), int(str(worker["workercount"]))
    for path in share([*modules(config.args)], number, count):
        name = ".".join(path.relative_to(config.rootpath).with_suffix("").parts)
        with suppress(Exception, pytest.skip.Exception):
            import_module(name)


def modules(arguments: Sequence[str]) -> Iterator[Path]:
    """The test modules below the directories among pytest's arguments."""
    for directory in map(Path, arguments):
        if directory.is_dir():
            yield from sorted(directory.resolve().rglob("test_*.py"))


def share(paths: Sequence[Path], number: int, count: int) -> Sequence[Path]:
    """What the process of this number, from 0, imports of these. count: of the processes."""
    return paths[number::count]
