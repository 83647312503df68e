"""Prints rows: as a table on a terminal, with tabs in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(
    console: Console,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    none: str,
    *,
    ruled: bool = False,
) -> None:
    """none: what a terminal shows without rows. ruled: with a line between two rows."""
    if not console.is_terminal:
        for row in rows:
            print("\t".join(" ".join(cell.split()) for cell in row))
    elif not rows:
        console.print(none)
    else:
        table = Table(*columns, show_lines=ruled)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
