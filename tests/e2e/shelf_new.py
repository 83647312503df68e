"""The domain of shelf_old.py as it became: the event at version 2, in millimetres, and who reads it."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from commander import Domain, Rejected

shelf = Domain("shelf")


@shelf.command
@dataclass(frozen=True)
class Put:
    shelf_id: UUID
    size: int


@shelf.command(internal=True)
@dataclass(frozen=True)
class Measure:
    shelf_id: UUID
    width: int


@shelf.command
@dataclass(frozen=True)
class Sweep:
    """Only this code knows it."""

    shelf_id: UUID


@shelf.event
@dataclass(frozen=True)
class Swept:
    shelf_id: UUID


@shelf.event(version=2)
@dataclass(frozen=True)
class Placed:
    shelf_id: UUID
    width: int
    unit: str


@shelf.event
@dataclass(frozen=True)
class Measured:
    shelf_id: UUID
    width: int


@shelf.upcast(Placed, from_version=1)
def in_millimetres(old: dict[str, Any]) -> dict[str, Any]:
    if old["size"] == 13:
        raise ValueError("13 is no size")
    return {"shelf_id": old["shelf_id"], "width": old["size"] * 10, "unit": "mm"}


@shelf.aggregate(key="shelf_id")
@dataclass(frozen=True)
class Shelf:
    total: int = 0

    def put(self, command: Put) -> Placed:
        if self.total + command.size > 100:
            raise Rejected("FULL", f"{self.total} mm are taken")
        return Placed(command.shelf_id, command.size, "mm")

    def measure(self, command: Measure) -> Measured:
        return Measured(command.shelf_id, command.width)

    def sweep(self, command: Sweep) -> Swept:
        return Swept(command.shelf_id)

    def swept(self, event: Swept) -> "Shelf":
        return self

    def placed(self, event: Placed) -> "Shelf":
        return replace(self, total=self.total + event.width)

    def measured(self, event: Measured) -> "Shelf":
        return self


@shelf.projection("shelf", key="shelf_id", plural="shelves")
@dataclass(frozen=True)
class ShelfRow:
    shelf_id: UUID
    total: int

    @classmethod
    def placed(cls, event: Placed, row: "ShelfRow | None") -> "ShelfRow":
        return cls(event.shelf_id, (row.total if row else 0) + event.width)


@shelf.reactor(begins="beginning")
class Measuring:
    def on_placed(self, event: Placed) -> Measure:
        return Measure(event.shelf_id, event.width)
