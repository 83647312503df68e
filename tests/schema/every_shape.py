"""A domain with a field of every type, and with names that other languages cannot have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated
from uuid import UUID

from commander import ApiName, BigInt, Domain, Unique

shapes = Domain("shapes")


class Colour(Enum):
    """Of a shape."""

    RED = "red"
    title = "title"


@dataclass(frozen=True)
class Place:
    """Where it is: "here" or \\there\\."""

    name: str
    ids: tuple[BigInt, ...]
    note: str | None


@shapes.event
@dataclass(frozen=True)
class Shaped:
    shape_id: UUID
    count: int
    large: BigInt
    small: BigInt
    ratio: float
    exact: Decimal
    at: datetime
    on: date
    until: time
    colour: Colour
    from_: Annotated[Place, ApiName("from")]
    places: tuple[Place, ...]
    note: str | None
    left: str


@shapes.command
@dataclass(frozen=True)
class Everything:
    r"""Say "all" of \it\, "here"."""

    shape_id: UUID
    count: int
    large: BigInt
    small: BigInt
    ratio: float
    exact: Decimal
    at: datetime
    on: date
    until: time
    colour: Colour
    from_: Place
    places: tuple[Place, ...] = ()
    note: str | None = "nothing"
    left: str = "left"


@shapes.aggregate(key="shape_id", unique=(("colour", "large"), Unique("exact", name="size")))
@dataclass(frozen=True)
class Shape:
    count: int = 0
    colour: Colour | None = None
    large: BigInt | None = None
    exact: Decimal | None = None

    def everything(self, command: Everything) -> Shaped:
        return Shaped(**vars(command))

    def shaped(self, event: Shaped) -> Shape:
        given = (event.colour, event.large, event.exact)
        return Shape(self.count + event.count, *given)


@shapes.projection("shape", key="shape_id", filterable=("exact",))
@dataclass(frozen=True)
class ShapeRow:
    shape_id: UUID
    colour: Colour
    from_: Place
    large: BigInt
    exact: Decimal
    prices: tuple[Decimal, ...]

    @classmethod
    def shaped(cls, event: Shaped) -> ShapeRow:
        return cls(event.shape_id, event.colour, event.from_, event.large, event.exact, ())
