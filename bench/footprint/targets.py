"""What is to be reached, of what the build before took."""

from __future__ import annotations

from bench.footprint import help, parts, tree
from bench.report import Target


def _of(name: str, below: float) -> Target:
    return Target(name, f"{name}, before", below=below)


TARGETS = (
    *(_of(parts.memory(part), below=0.55) for part in parts.PARTS),
    _of(tree.MEMORY, below=0.6),
    _of(tree.READY_NEW, below=0.7),
    _of(tree.READY_AGAIN, below=0.7),
    _of(help.HELP, below=0.5),
)
