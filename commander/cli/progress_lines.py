"""The lines of JSON of the option `--json`, one object each. docs/running.md says what they mean."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import typer

Json = Annotated[bool, typer.Option("--json", help="Show progress and results as JSON, one object a line.")]


class Line(msgspec.Struct, frozen=True, tag_field="kind"):
    """A line. work: the command."""

    work: str


class Progress(Line, frozen=True, tag="progress"):
    """How far a step is. total, per_second, seconds_left: null if it is not known."""

    step: str
    unit: str
    done: int
    total: int | None
    per_second: float | None
    seconds_left: float | None
    seconds: float
    ended: bool


class Note(Line, frozen=True, tag="note"):
    """A sentence for people."""

    text: str


class Checked(Line, frozen=True, tag="check"):
    """The result of a check. holds: null if it was not completed; `problem` says why."""

    promise: str
    holds: bool | None
    problem: str | None = None


class Found(Line, frozen=True, tag="finding"):
    """A promise that does not hold. repair: what `commander repair` can do; null if nothing."""

    what: str
    where: str
    found: str
    repair: str | None


class Differs(Line, frozen=True, tag="difference"):
    """A row of two tables. before, after: the columns that differ, as JSON; null if the table has no row."""

    key: str
    before: dict[str, str] | None
    after: dict[str, str] | None


class End(Line, frozen=True, tag="end"):
    """The last line. text: the error, or how to go on; empty if the work is done."""

    state: Literal["done", "failed", "interrupted"]
    text: str = ""
