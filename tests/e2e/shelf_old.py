"""A domain as it was: an event at version 1."""

from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain

shelf = Domain("shelf")


@shelf.command
@dataclass(frozen=True)
class Put:
    shelf_id: UUID
    size: int


@shelf.event
@dataclass(frozen=True)
class Placed:
    shelf_id: UUID
    size: int


@shelf.aggregate(key="shelf_id")
@dataclass(frozen=True)
class Shelf:
    total: int = 0

    def put(self, command: Put) -> Placed:
        return Placed(command.shelf_id, command.size)

    def placed(self, event: Placed) -> "Shelf":
        return replace(self, total=self.total + event.size)
