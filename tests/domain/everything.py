"""A record with one field of every type that there is, and any values for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from commander import BigInt


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Size(IntEnum):
    S = 1
    L = -3


class Kind(StrEnum):
    NEW = "new"
    OLD = "old"


@dataclass(frozen=True)
class Price:
    amount: Decimal
    currency: str = "EUR"


@dataclass(frozen=True)
class Line:
    price: Price
    colours: tuple[Colour, ...]
    note: str | None = None


@dataclass(frozen=True)
class Everything:
    """One field of every type that there is."""

    text: str
    truth: bool
    whole: int
    big: BigInt
    real: float
    exact: Decimal
    identity: UUID
    moment: datetime
    day: date
    hour: time
    colour: Colour
    size: Size
    kind: Kind
    line: Line
    lines: tuple[Line, ...]
    numbers: list[int]
    bigs: tuple[BigInt, ...]
    gaps: tuple[Decimal | None, ...]
    nested: tuple[tuple[str, ...], ...]
    maybe_text: str | None = None
    maybe_exact: Decimal | None = None
    maybe_colour: Colour | None = None
    maybe_line: Line | None = None
    maybe_lines: tuple[Line, ...] | None = None


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
# Of any digits and exponent; drawn in two steps, where st.decimals makes a strategy for each.
decimals = st.builds(Decimal.scaleb, st.integers(-(10**40), 10**40).map(Decimal), st.integers(-45, 45))
bigs = st.integers(-(2**63), 2**63 - 1)
offsets = st.builds(lambda m: timezone(timedelta(minutes=m)), st.integers(-14 * 60, 14 * 60))
lines = st.builds(
    Line,
    st.builds(Price, decimals, texts),
    st.lists(st.sampled_from(Colour), max_size=2).map(tuple),
    st.none() | texts,
)
values: dict[str, st.SearchStrategy[Any]] = dict(
    text=texts,
    truth=st.booleans(),
    whole=st.integers(-(2**31), 2**31 - 1),
    big=bigs,
    real=st.floats(allow_nan=False, allow_infinity=False),
    exact=decimals,
    identity=st.uuids(),
    moment=st.datetimes(timezones=offsets),
    day=st.dates(),
    hour=st.times(),
    colour=st.sampled_from(Colour),
    size=st.sampled_from(Size),
    kind=st.sampled_from(Kind),
    line=lines,
    lines=st.lists(lines, max_size=2).map(tuple),
    numbers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    bigs=st.lists(bigs, max_size=3).map(tuple),
    gaps=st.lists(st.none() | decimals, max_size=3).map(tuple),
    nested=st.lists(st.lists(texts, max_size=2).map(tuple), max_size=2).map(tuple),
    maybe_text=st.none() | texts,
    maybe_exact=st.none() | decimals,
    maybe_colour=st.none() | st.sampled_from(Colour),
    maybe_line=st.none() | lines,
    maybe_lines=st.none() | st.lists(lines, max_size=2).map(tuple),
)
