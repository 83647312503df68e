"""Cron expressions with five parts: minute, hour, day of the month, month, day of the week. Times are UTC.

A part is *, a value (5), a range (1-5), a step (*/15, 10-40/5), or a list of these with commas. Months and
weekdays may be names (jan, mon). 0 and 7 are both Sunday. As in every cron, if both days are restricted, a
date that matches one of them is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_YEARS = 9
"""Every date occurs again within so many years. The longest gap is eight: 29 February 1896 to 1904."""


class InvalidCron(ValueError):
    """The text is not a cron expression. The message says which part is wrong."""


@dataclass(frozen=True)
class Cron:
    """A parsed expression. text: as it was written. either_day: one matching day is enough."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def next_after(self, moment: datetime) -> datetime:
        """The first tick later than `moment`. `moment` must have a time zone; the tick is UTC."""
        at = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        last = at.year + _YEARS
        while at.year <= last:
            if at.month not in self.months or not self._is_day(at):
                at = at.replace(hour=0, minute=0) + timedelta(days=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at += timedelta(minutes=1)
            else:
                return at
        raise InvalidCron(f"{self.text!r} matches no date")

    def _is_day(self, at: datetime) -> bool:
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return day or weekday if self.either_day else day and weekday


def parse_cron(text: str) -> Cron:
    """Parses an expression. Raises InvalidCron, also if it matches no date, like 30 February."""
    parts = text.split()
    if len(parts) != 5:
        problem = "needs minute, hour, day of the month, month and day of the week"
        raise InvalidCron(f"{text!r} has {len(parts)} parts; it {problem}")
    minute, hour, day, month, weekday = parts
    cron = Cron(
        text,
        _values("minute", minute, 0, 59),
        _values("hour", hour, 0, 23),
        _values("day of the month", day, 1, 31),
        _values("month", month, 1, 12, _MONTHS),
        frozenset(value % 7 for value in _values("day of the week", weekday, 0, 7, _WEEKDAYS)),
        either_day=not day.startswith("*") and not weekday.startswith("*"),
    )
    cron.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    return cron


def _values(what: str, text: str, least: int, most: int, names: Sequence[str] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (_is_number(step) and int(step) > 0):
            raise InvalidCron(f"{what}: the step {step!r} must be a number above 0")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = least, most
        else:
            begin = _value(what, first, least, most, names)
            end = _value(what, last, least, most, names) if dash else most if slash else begin
        if begin > end:
            raise InvalidCron(f"{what}: the range {span} is empty")
        found.update(range(begin, end + 1, int(step) if slash else 1))
    return frozenset(found)


def _value(what: str, text: str, least: int, most: int, names: Sequence[str]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + (least if most == 12 else 0)
    if not _is_number(text) or not least <= int(text) <= most:
        raise InvalidCron(f"{what}: {text!r} must be a number from {least} to {most}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
