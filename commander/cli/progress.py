"""Long work shows itself: bars on a terminal, lines with percentages elsewhere, lines of JSON for programs.

Bars and lines go to standard error. Whatever is interrupted says how to go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType

import msgspec
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from commander.cli.progress_lines import End, Line, Note, Progress

_FIRST_SECONDS = 1.0
"""For how long work shows no line: most of it is done by then."""
_LINE_SECONDS = 5.0
_JSON_SECONDS = 1.0
_RATE_SECONDS = 10.0
"""A rate is that of the last seconds."""


class Step:
    """One bar. Its total may be unknown (None), and may change."""

    def __init__(self, work: LongWork, name: str, unit: str, total: int | None) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.bar: TaskID | None = None
        self._work = work
        self._unit = unit
        self._began = work.now()
        self.shown_at: float | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, done: int, total: int | None = None) -> None:
        """done: of `total`, which stays as it was if it is None."""
        self.done = done
        self.total = self.total if total is None else total
        now = self._work.now()
        if not self._samples or now - self._samples[-1][0] >= 1:
            self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] > _RATE_SECONDS:
            self._samples.popleft()
        self._work.show(self)

    def advance(self, count: int = 1) -> None:
        self.update(self.done + count)

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Shows the time that passes, for work that says nothing of its progress. Then the step ends."""

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                self._work.show(self)

        ticking = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticking.cancel()
        self.end()

    def end(self) -> None:
        """Takes the bar away."""
        self._work.take_away(self)

    @property
    def seconds(self) -> float:
        return self._work.now() - self._began

    def line(self, *, ended: bool = False) -> Progress:
        """How far it is now."""
        rate = self._per_second()
        left = None if not rate or self.total is None else max(0, self.total - self.done) / rate
        return Progress(
            work=self._work.name,
            step=self.name,
            unit=self._unit,
            done=self.done,
            total=self.total,
            per_second=None if rate is None else round(rate, 1),
            seconds_left=None if left is None else round(left, 1),
            seconds=round(self.seconds, 1),
            ended=ended,
        )

    def _per_second(self) -> float | None:
        """Since the oldest sample that is kept. What was done before the first one is not counted."""
        if not self._samples or (passed := self._work.now() - self._samples[0][0]) <= 0:
            return None
        return (self.done - self._samples[0][1]) / passed


class LongWork:
    """Work of a command, as a context. It shows its steps, its results, and how it ended.

    name: the command. go_on: what to do after Ctrl-C. results: where results and JSON are written. now: a
    clock in seconds. While no step runs it has no thread, so this process may be forked then.
    """

    def __init__(
        self,
        name: str,
        go_on: str,
        *,
        as_json: bool = False,
        results: Console | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.go_on = go_on
        self.as_json = as_json
        self.results = results or Console(highlight=False)
        self.now = now
        self._errors = Console(stderr=True, highlight=False)
        self._bars: Bars | None = None
        self._running: list[Step] = []

    def __enter__(self) -> LongWork:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for step in [*self._running]:
            self.take_away(step, ended=False)
        if isinstance(error, KeyboardInterrupt):
            if not self.as_json:
                self._errors.print(f"interrupted; {self.go_on}", soft_wrap=True, markup=False)
            self._write(End(self.name, "interrupted", self.go_on))
        elif error is not None:
            self._write(End(self.name, "failed", str(error)))
        else:
            self._write(End(self.name, "done"))

    def step(self, name: str, unit: str = "", total: int | None = None) -> Step:
        """Begins a step. unit: what is counted, in the plural."""
        step = Step(self, name, unit, total)
        self._running.append(step)
        if self._errors.is_terminal and not self.as_json:
            if self._bars is None:
                self._bars = _bars(self._errors)
                self._bars.start()
            step.bar = self._bars.add_task(name, total=total, pace="")
        return step

    def show(self, step: Step) -> None:
        """Shows a step that has changed, if it is time for that."""
        if step.bar is not None and self._bars is not None:
            pace = _pace(step.line())
            self._bars.update(step.bar, completed=step.done, total=step.total, pace=pace)
        elif self._is_due(step):
            step.shown_at = self.now()
            self._show_line(step.line())

    def take_away(self, step: Step, *, ended: bool = True) -> None:
        if step not in self._running:
            return
        self._running.remove(step)
        if step.bar is not None and self._bars is not None:
            self._bars.remove_task(step.bar)
        elif ended and (self.as_json or step.shown_at is not None):
            self._show_line(step.line(ended=True))
        if not self._running and self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, text: str, line: Line | None = None, style: str | None = None) -> None:
        """Prints a result: a text for people, or its line of JSON; None: a note with the text."""
        self._print(self.results, text, line, style)

    def warn(self, text: str) -> None:
        """Prints a sentence that is no result: on standard error, or as a note."""
        self._print(self._errors, text, None, None)

    def _print(self, console: Console, text: str, line: Line | None, style: str | None) -> None:
        if self.as_json:
            self._write(line or Note(self.name, text))
            return
        above_the_bars = self._bars is not None and console.is_terminal
        to = self._errors if above_the_bars else console
        to.print(text, style=style, soft_wrap=True, markup=False)

    def _is_due(self, step: Step) -> bool:
        if step.shown_at is None:
            return step.seconds >= _FIRST_SECONDS
        return self.now() - step.shown_at >= (_JSON_SECONDS if self.as_json else _LINE_SECONDS)

    def _show_line(self, line: Progress) -> None:
        if self.as_json:
            self._write(line)
        else:
            self._errors.print(_text(line), soft_wrap=True, markup=False)

    def _write(self, line: Line) -> None:
        if self.as_json:
            with suppress(BrokenPipeError):
                print(msgspec.json.encode(line).decode(), file=self.results.file, flush=True)


def _bars(console: Console) -> Bars:
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()),
        *(TaskProgressColumn(), TextColumn("{task.fields[pace]}", markup=False), TimeElapsedColumn()),
    )
    return Bars(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


def _text(line: Progress) -> str:
    share = f"{line.done / line.total:.0%}" if line.total else f"{line.seconds:,.0f} s"
    pace = f" ({_pace(line)})" if _pace(line) else ""
    return f"{line.step}: {'done, ' if line.ended else ''}{share}{pace}"


def _pace(line: Progress) -> str:
    """How much is done, how fast, and for how long it will take, as far as these are known."""
    of = f" of {line.total:,}" if line.total is not None else ""
    parts = [f"{line.done:,}{of} {line.unit}".rstrip()] if line.done or of else []
    if line.per_second:
        parts.append(f"{line.per_second:,.0f}/s" if line.per_second >= 10 else f"{line.per_second:.1f}/s")
    if line.seconds_left is not None and not line.ended:
        parts.append(f"{_duration(line.seconds_left)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
