"""The minutes of `bench.scaling.hour`, and their table: the first and the last ten, and those after."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

_TEN = 10


class Minute(msgspec.Struct, frozen=True):
    """A minute. Times are milliseconds since the command was submitted; cpu: µs per event, by part.

    undecided_behind, reactor_behind, effect_behind: events between the head and the checkpoint of the
    projection, the reactor and the effect. checkpoint_pages, row_pages: what a read of the projections'
    checkpoints touches, and one of the row that each fold writes.
    """

    phase: str
    number: int
    load: float
    commands: int
    events: int
    decided_p50: float
    decided_p95: float
    projected_p50: float
    projected_p95: float
    cpu: dict[str, float]
    undecided_behind: int
    reactor_behind: int
    effect_behind: int
    checkpoint_pages: int
    row_pages: int


def report(minutes: Sequence[Minute]) -> str:
    """A document: the median minute of the first ten, the last ten, and those after the snapshot."""
    held = [one for one in minutes if one.phase != "after"]
    per_second = median(one.commands for one in held) / 60
    commands = sum(one.commands for one in minutes)
    events = sum(one.events for one in minutes)
    columns = {
        "first ten minutes": held[:_TEN],
        "last ten minutes": held[-_TEN:],
        "after it, vacuumed": [one for one in minutes if one.phase == "after"],
    }
    columns = {name: found for name, found in columns.items() if found}
    parts = list(minutes[0].cpu)
    lines = [
        f"# Load beside a {'held' if minutes[0].phase == 'held' else 'short'} snapshot, minute by minute",
        "",
        f"{len(held)} minutes and {len(minutes) - len(held)} after them, {per_second:,.0f} commands/s.",
        f"{commands:,} commands of clients, {events:,} events.",
        "Medians of the minutes. Made by `python -m bench.scaling.hour`, see [README.md](README.md).",
        "Other processes ran on the machine: see its load.",
        "",
        f"| | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]

    def row(name: str, values: Sequence[float], shown: str = ",.0f") -> None:
        lines.append(f"| {name} | {' | '.join(format(value, shown) for value in values)} |")

    for name, field, shown in (
        ("submitted to decided, p50, ms", "decided_p50", ",.0f"),
        ("submitted to decided, p95, ms", "decided_p95", ",.0f"),
        ("submitted to projected, p50, ms", "projected_p50", ",.0f"),
        ("submitted to projected, p95, ms", "projected_p95", ",.0f"),
        ("events that the reactor is behind", "reactor_behind", ",.0f"),
        ("events that the effect is behind", "effect_behind", ",.0f"),
        ("pages of a read of the checkpoints", "checkpoint_pages", ",.0f"),
        ("pages of a read of the row that each fold writes", "row_pages", ",.0f"),
        ("load of the machine", "load", ".1f"),
    ):
        row(name, [median(getattr(one, field) for one in found) for found in columns.values()], shown)
    for part in parts:
        row(
            f"CPU of {part}, µs per event",
            [median(one.cpu[part] for one in found) for found in columns.values()],
        )
    return "\n".join(lines)
