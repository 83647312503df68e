"""What was measured, as a table for people and as JSON: medians, spreads, and how far from the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.measuring import Repetition


@dataclass(frozen=True)
class Target:
    """What a measure must reach: alone, or divided by another of the same repetition."""

    of: str
    over: str | None = None
    at_least: float | None = None
    below: float | None = None

    @property
    def name(self) -> str:
        return self.of if self.over is None else f"{self.of} / {self.over}"

    @property
    def demand(self) -> str:
        return f"at least {_number(self.at_least)}" if self.at_least else f"below {_number(self.below or 0)}"

    def met(self, value: float) -> bool:
        return value >= self.at_least if self.at_least is not None else value < (self.below or 0)


@dataclass(frozen=True)
class Spread:
    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)


def spreads(repetitions: Sequence[Repetition]) -> list[Spread]:
    """Each measure over the repetitions, in the order they were measured."""
    values: dict[tuple[str, str], list[float]] = {}
    for repetition in repetitions:
        for name, unit, value in repetition.measures:
            values.setdefault((name, unit), []).append(value)
    return [Spread(name, unit, tuple(found)) for (name, unit), found in values.items()]


def against(target: Target, repetitions: Sequence[Repetition]) -> Spread | None:
    """The target's measure in each repetition; None if it was not measured."""
    values = []
    for repetition in repetitions:
        measured = {m.name: m.value for m in repetition.measures}
        if target.of not in measured or (target.over or target.of) not in measured:
            return None
        values.append(measured[target.of] / (measured[target.over] if target.over else 1))
    return Spread(target.name, "", tuple(values))


def markdown(
    targets: Sequence[Target], repetitions: Sequence[Repetition], environment: Mapping[str, Any]
) -> str:
    """Two tables: what was measured, and how far it is from the targets."""
    lines = [
        f"{len(repetitions)} repetitions, interleaved. {_sentence(environment)}",
        "",
        "| measured | unit | median | min | max |",
        "| --- | --- | ---: | ---: | ---: |",
        *(f"| {s.name} | {s.unit} | {_number(s.median)} | {_extent(s)} |" for s in spreads(repetitions)),
    ]
    reached = [(t, found) for t in targets if (found := against(t, repetitions)) is not None]
    if reached:
        lines += [
            "",
            "| target | demanded | median | min | max | met |",
            "| --- | --- | ---: | ---: | ---: | --- |",
        ]
    for target, s in reached:
        met = "yes" if target.met(s.median) else "no"
        lines.append(f"| {target.name} | {target.demand} | {_number(s.median)} | {_extent(s)} | {met} |")
    return "\n".join(lines) + "\n"


def write(
    folder: Path,
    title: str,
    plan: Any,
    targets: Sequence[Target],
    repetitions: Sequence[Repetition],
    environment: Mapping[str, Any],
) -> None:
    """results.json and results.md. plan: a dataclass."""
    results = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment,
        "plan": asdict(plan),
        "load_average_before": [round(r.load, 2) for r in repetitions],
        "measures": [_as_json(s) for s in spreads(repetitions)],
        "targets": [
            {**_as_json(s), "demanded": target.demand, "met": target.met(s.median)}
            for target in targets
            if (s := against(target, repetitions)) is not None
        ],
    }
    (folder / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    (folder / "results.md").write_text(
        f"# {title}: what was measured\n\n" + markdown(targets, repetitions, environment)
    )


def _sentence(environment: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in environment.items()) + "."


def _as_json(spread: Spread) -> dict[str, Any]:
    values = [float(f"{value:.6g}") for value in spread.values]
    return {
        "name": spread.name,
        "unit": spread.unit,
        "median": median(values),
        "min": min(values),
        "max": max(values),
        "values": values,
    }


def _extent(spread: Spread) -> str:
    return f"{_number(min(spread.values))} | {_number(max(spread.values))}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
