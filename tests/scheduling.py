"""Which tests run in one process when there are several, and which begin."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent
SLOWEST_FIRST = (
    "faults",
    "e2e",
    "rights",
    "commander",
    "streaming",
    "test_packaging.py",
    "eventstore",
    "schema",
)

_SHARED = {
    "e2e": re.compile(r"\b(system): System\b"),
    "rights": re.compile(r"\b(branch): Branch\b"),
    "faults": re.compile(r"\b(breakable|parts|servers): (?:System|Servers)\b"),
}
"""The fixtures of a directory that are systems, which a module asks for."""
_ON_THE_SAME = {"parts": "servers"}
"""The fixture that another one runs on."""


def place(path: Path) -> tuple[bool, int]:
    """For sorting: what takes longest begins, so that no process is left with a long one at the end.

    First the modules that share a system, then the others, by directory.
    """
    directory = path.relative_to(TESTS).parts[0]
    rank = SLOWEST_FIRST.index(directory) if directory in SLOWEST_FIRST else len(SLOWEST_FIRST)
    return scope_of(path, "of its own") == "of its own", rank


class BySystem(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A module's tests stay in one process, and so do all modules that share a running system.

    A system takes seconds of both cores to start, and some of their time while it runs. So there is one of a
    kind, and not one in each process.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = str(super()._split_scope(nodeid))
        return scope_of(self.config.rootpath / module, module)


@cache
def scope_of(path: Path, module: str) -> str:
    """What has one process to itself: the module, or the system that it shares with others."""
    shared = _SHARED.get(path.parent.name)
    found = shared.search(path.read_text("utf-8")) if shared else None
    if found is None:
        return module
    return f"{path.parent.name}: {_ON_THE_SAME.get(found[1], found[1])}"
