"""A domain with every type that there is, from the input of a command to the row of a projection."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from commander import BigInt, Domain, Gt, Rejected, new_id
from tests.domain.everything import Colour, Everything, Size

vault = Domain("vault")


@vault.command
@dataclass(frozen=True)
class Keep:
    """Keep one of everything."""

    everything: Everything
    copies: Annotated[int, Gt(0)] = 3
    thing_id: UUID = new_id()


@vault.command
@dataclass(frozen=True)
class Crush:
    """Crush what is kept; the machine is broken."""

    thing_id: UUID


@vault.event
@dataclass(frozen=True)
class Kept:
    """One of everything was kept."""

    thing_id: UUID
    everything: Everything
    copies: int


@vault.aggregate(key="thing_id")
@dataclass(frozen=True)
class Thing:
    kept: bool = False

    def keep(self, command: Keep) -> Kept:
        if self.kept:
            raise Rejected("KEPT")
        return Kept(command.thing_id, command.everything, command.copies)

    def crush(self, command: Crush) -> None:
        raise ZeroDivisionError("the machine is broken")

    def was_kept(self, event: Kept) -> "Thing":
        return replace(self, kept=True)


SCALARS = (
    *("text", "truth", "whole", "big", "real", "exact", "moment", "day", "hour", "colour", "size"),
    *("maybe_text", "maybe_colour"),
)


@vault.projection("thing", key="thing_id", filterable=SCALARS)
@dataclass(frozen=True)
class ThingRow:
    """What is kept, a column each."""

    thing_id: UUID
    everything: Everything
    text: str
    truth: bool
    whole: int
    big: BigInt
    real: float
    exact: Decimal
    moment: datetime
    day: date
    hour: time
    colour: Colour
    size: Size
    bigs: tuple[BigInt, ...]
    maybe_text: str | None
    maybe_colour: Colour | None

    @classmethod
    def kept(cls, event: Kept) -> "ThingRow":
        one = event.everything
        return cls(
            event.thing_id,
            one,
            one.text,
            one.truth,
            one.whole,
            one.big,
            one.real,
            one.exact,
            one.moment,
            one.day,
            one.hour,
            one.colour,
            one.size,
            one.bigs,
            one.maybe_text,
            one.maybe_colour,
        )
