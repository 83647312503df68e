"""What a terminal shows while a run goes on: rates, outcomes, times, what is behind, what is used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bench.measuring import percentile
from bench.whole.figures import PERCENTS, outcomes_of, per_second
from bench.whole.timeline import Answer, Timeline

_BARS = "▁▂▃▄▅▆▇█"
_SECONDS = 60
_DRAW_SECONDS = 0.5
_LINE_SECONDS = 5.0


@asynccontextmanager
async def shown(timeline: Timeline, console: Console) -> AsyncIterator[None]:
    """Shows the timeline meanwhile: as a picture on a terminal, as a line every five seconds elsewhere."""
    drawing = asyncio.create_task(
        _draw(timeline, console) if console.is_terminal else _lines(timeline, console)
    )
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])


async def _draw(timeline: Timeline, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(picture(timeline, time.perf_counter()), refresh=True)
            await asyncio.sleep(_DRAW_SECONDS)


async def _lines(timeline: Timeline, console: Console) -> None:
    while True:
        await asyncio.sleep(_LINE_SECONDS)
        console.print(line(timeline, time.perf_counter()), soft_wrap=True)


def line(timeline: Timeline, now: float) -> str:
    """The last five seconds in a line."""
    latest = _since(timeline, now - _LINE_SECONDS)
    times = [one.milliseconds for one in latest]
    found = ", ".join(f"p{percent} {percentile(times, percent):,.0f} ms" for percent in PERCENTS)
    behind = timeline.samples[-1].behind if timeline.samples else {}
    late = ", ".join(f"{name} {count:,}" for name, count in behind.items() if count) or "nothing"
    rate = len(latest) / _LINE_SECONDS
    return (
        f"{_stage(timeline)}: {rate:,.0f} outcomes/s, {found}, waiting {timeline.waiting:,}; behind: {late}"
    )


def picture(timeline: Timeline, now: float) -> Group:
    """The whole picture."""
    seconds = int(now - timeline.began)
    title = Text(f"{_stage(timeline)}   {seconds // 60}:{seconds % 60:02}", style="bold")
    marks = [f"{mark.at - timeline.began:.0f} s {_WORDS[mark.kind]} {mark.what}" for mark in timeline.marks]
    return Group(
        title,
        Columns([_rates(timeline, now), _behind(timeline), _used(timeline)]),
        Text("   ".join(marks[-4:]), style="dim"),
    )


_WORDS = {"stage": "begins:", "kill": "killed:", "back": "back:"}


def _rates(timeline: Timeline, now: float) -> Panel:
    latest = _since(timeline, now - _SECONDS)
    buckets = per_second(latest, timeline.began)
    end = int(now - timeline.began)
    seconds = [buckets.get(second, []) for second in range(max(0, end - _SECONDS), end)]
    last = [one for bucket in seconds[-3:] for one in bucket]
    times = [one.milliseconds for one in last]
    table = Table.grid(padding=(0, 1))
    table.add_row("outcomes/s", f"{len(last) / 3:,.0f}", spark([float(len(one)) for one in seconds]))
    for percent in PERCENTS:
        past = [percentile([one.milliseconds for one in bucket], percent) for bucket in seconds]
        table.add_row(f"p{percent} ms", f"{percentile(times, percent):,.0f}", spark(past))
    table.add_row("waiting", f"{timeline.waiting:,}", "")
    for outcome, count in outcomes_of(timeline.answers).items():
        table.add_row(outcome[:40], f"{count:,}", "")
    ticks = [tick for tick in timeline.delivered if tick.at >= now - 3]
    delays = [one for tick in ticks for one in tick.milliseconds]
    if ticks:
        delivered = sum(tick.delivered for tick in ticks) / 3
        table.add_row("delivered/s", f"{delivered:,.0f}", f"to {ticks[-1].watching:,} watchers")
        table.add_row("p95 ms", f"{percentile(delays, 95):,.0f}", "from recorded to delivered")
    return Panel(table, title="users")


def _behind(timeline: Timeline) -> Panel:
    table = Table.grid(padding=(0, 1))
    for name, count in timeline.samples[-1].behind.items() if timeline.samples else ():
        past = [float(sample.behind.get(name, 0)) for sample in timeline.samples[-_SECONDS // 2 :]]
        table.add_row(name, f"{count:,}", spark(past))
    return Panel(table, title="behind")


def _used(timeline: Timeline) -> Panel:
    table = Table.grid(padding=(0, 1))
    if timeline.samples:
        for name, used in timeline.samples[-1].used.items():
            table.add_row(name, f"{used.cpu:.0%}", f"{used.memory / 2**20:,.0f} MiB")
        for name, size in timeline.samples[-1].stored.items():
            table.add_row(f"{name} stores", "", f"{size / 2**20:,.1f} MiB")
    return Panel(table, title="CPU and memory")


def spark(values: Sequence[float]) -> str:
    """Values as bars of a line, the greatest as the highest."""
    most = max(values, default=0)
    return "".join(_BARS[int(value / most * (len(_BARS) - 1))] if most else _BARS[0] for value in values)


def _since(timeline: Timeline, begin: float) -> list[Answer]:
    """The answers that came since then. They are in the order in which they came, but for a tick."""
    found: list[Answer] = []
    for one in reversed(timeline.answers):
        if one.at < begin - 1:
            break
        if one.at >= begin:
            found.append(one)
    return found


def _stage(timeline: Timeline) -> str:
    return next((mark.what for mark in reversed(timeline.marks) if mark.kind == "stage"), "starting")
