"""A domain with one of each part. What is told to break breaks, until the file that MENDED names exists."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from commander import Domain, Rejected

mill = Domain("mill")


@mill.event
@dataclass(frozen=True)
class Ground:
    sack_id: UUID
    breaks: str = ""


@mill.event
@dataclass(frozen=True)
class Swept:
    sack_id: UUID


@mill.command
@dataclass(frozen=True)
class Grind:
    """Grind a sack. breaks: the part that fails on it."""

    sack_id: UUID
    breaks: str = ""


@mill.command
@dataclass(frozen=True)
class Sweep:
    sack_id: UUID


def must_hold(breaks: str, part: str) -> None:
    if breaks == part and not Path(os.environ.get("MENDED", "/nowhere")).exists():
        raise RuntimeError(f"a stone in the {part}")


@mill.aggregate(key="sack_id")
@dataclass(frozen=True)
class Sack:
    ground: int = 0

    def grind(self, command: Grind) -> Ground:
        must_hold(command.breaks, "processor")
        if command.breaks == "rules":
            raise Rejected("WET", "the corn is wet")
        return Ground(command.sack_id, command.breaks)

    def sweep(self, command: Sweep) -> Swept:
        return Swept(command.sack_id)

    def was_ground(self, event: Ground) -> "Sack":
        return replace(self, ground=self.ground + 1)

    def swept(self, event: Swept) -> "Sack":
        return self


@mill.projection("sack", key="sack_id")
@dataclass(frozen=True)
class SackRow:
    sack_id: UUID
    ground: int = 0

    @classmethod
    def first(cls, event: Ground) -> "SackRow":
        must_hold(event.breaks, "projection")
        return cls(event.sack_id, 1)


@mill.reactor(key="sack_id")
@dataclass(frozen=True)
class Sweeping:
    sacks: int = 0

    def ground(self, event: Ground) -> Sweep:
        must_hold(event.breaks, "reactor")
        return Sweep(event.sack_id)


@mill.effect(Ground, attempts=1)
async def tell(event: Ground) -> None:
    must_hold(event.breaks, "effect")


@mill.every("0 0 1 1 *")
def yearly(tick: datetime) -> Grind:
    return Grind(UUID(int=tick.year))
