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
    "e2e": {
        "browser": r"\b(?:browsed: Browsed|chromium: BrowserContext)\b",
        "system": r"\bsystem: System\b",
    },
    "rights": {"branch": r"\bbranch: Branch\b"},
    "faults": {
        "breakable": r"\bbreakable: System\b",
        "servers": r"\b(?:parts: System|(?:parts|servers): Servers)\b",
    },
}
"""What the modules of a directory share, and how one that asks for it is written; the first that fits counts.

The tests in a browser have a system of their own: in one process with all others they would end last.
"""


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
    text = path.read_text("utf-8") if path.parent.name in _SHARED else ""
    for shared, written in _SHARED.get(path.parent.name, {}).items():
        if re.search(written, text):
            return f"{path.parent.name}: {shared}"
    return module
