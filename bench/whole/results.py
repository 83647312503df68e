"""What a run found, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bench.whole.figures import Fan, Gap, Step
from bench.whole.plan import Plan

WHERE = "Users and watchers ran on the same machine as the system."


class Result(msgspec.Struct, frozen=True):
    """What a run found. machine: what it depends on. settings: what was given.

    steady: when the steady load began and ended, in seconds of the run. promises: what `commander verify`
    found at the end.
    """

    measured_at: str
    machine: dict[str, str]
    settings: dict[str, str]
    outcomes: dict[str, int]
    steps: list[Step]
    fans: list[Fan]
    gaps: list[Gap]
    steady: tuple[float, float]
    steady_step: Step
    promises: dict[str, bool | None]


def settings_of(plan: Plan) -> dict[str, str]:
    """The plan, in words."""
    kills = ", ".join(f"{kill.kind}@{kill.after_seconds:g}s" for kill in plan.kills) or "none"
    return {
        "steady rate": f"{plan.rate:g} mutations/s for {plan.seconds:g} s",
        "users": f"{plan.clients} connections, {plan.accounts} accounts",
        "watchers": f"{plan.watchers}, of all events",
        "processes": f"{plan.apis} api, {plan.processors} processor, relay, projections, reactors",
        "steps up to saturation": f"{plan.step_seconds:g} s each",
        "kill -9": f"{kills}; back after {plan.restart_seconds:g} s",
    }


class Table(NamedTuple):
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


_STEP = ("due per second", "outcomes per second", "mutations", "p50 ms", "p95 ms", "p99 ms", "slowest ms")
_FAN = ("watchers", "delivered per second", "p50 ms", "p95 ms", "p99 ms")
_GAP = ("killed", "second of the run", "longest without an outcome, s", "slowest mutation, ms", "sent again")
_WORDS = {True: "ok", False: "no", None: "?"}


def tables_of(result: Result) -> list[Table]:
    """The tables, without those of which nothing was measured."""
    holds = all(held is True for held in result.promises.values())
    tables = [
        Table("Machine and versions", ("", ""), [*result.machine.items()]),
        Table("Settings", ("", ""), [*result.settings.items()]),
        Table("Up to saturation", _STEP, [_step_cells(one) for one in result.steps]),
        Table("Fan-out", _FAN, [_fan_cells(one) for one in result.fans]),
        Table("Steady load", _STEP, [_step_cells(result.steady_step)]),
        Table("Faults", _GAP, [_gap_cells(one) for one in result.gaps]),
        Table(
            "Outcomes of all mutations", ("", ""), [(name, f"{n:,}") for name, n in result.outcomes.items()]
        ),
        Table(
            f"commander verify: {'every guarantee holds' if holds else 'NOT every guarantee holds'}",
            ("", ""),
            [(_WORDS[held], promise) for promise, held in result.promises.items()],
        ),
    ]
    return [table for table in tables if table.rows]


def markdown(result: Result) -> str:
    """The tables in Markdown."""
    parts = [f"# The whole system under load: what was measured\n\n{result.measured_at}. {WHERE}"]
    for one in tables_of(result):
        lines = [one.columns, ["---"] * len(one.columns), *one.rows]
        parts.append(f"## {one.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _step_cells(one: Step) -> tuple[str, ...]:
    times = (one.p50, one.p95, one.p99, one.most)
    rates = f"{one.offered:,.0f}", f"{one.answered:,.0f}", f"{one.mutations:,}"
    return *rates, *(f"{ms:,.1f}" for ms in times)


def _fan_cells(one: Fan) -> tuple[str, ...]:
    times = (one.p50, one.p95, one.p99)
    return f"{one.watchers:,}", f"{one.delivered:,.0f}", *(f"{ms:,.1f}" for ms in times)


def _gap_cells(one: Gap) -> tuple[str, ...]:
    return one.killed, f"{one.at:.1f}", f"{one.seconds:.2f}", f"{one.slowest:,.0f}", f"{one.sent_again:,}"
