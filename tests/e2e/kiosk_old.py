"""A domain before all its definitions are renamed; kiosk_new.py is the same after it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from commander import Domain

kiosk = Domain("kiosk")
calls: list[tuple[UUID, int]] = []


@kiosk.command
@dataclass(frozen=True)
class Buy:
    stand_id: UUID
    item: str


@kiosk.command(internal=True)
@dataclass(frozen=True)
class Thank:
    stand_id: UUID


@kiosk.event
@dataclass(frozen=True)
class Bought:
    stand_id: UUID
    item: str


@kiosk.event
@dataclass(frozen=True)
class Thanked:
    stand_id: UUID


@kiosk.aggregate(key="stand_id")
@dataclass(frozen=True)
class Stand:
    sold: int = 0

    def buy(self, command: Buy) -> Bought:
        return Bought(command.stand_id, command.item)

    def thank(self, command: Thank) -> Thanked:
        return Thanked(command.stand_id)

    def bought(self, event: Bought) -> "Stand":
        return replace(self, sold=self.sold + 1)

    def thanked(self, event: Thanked) -> "Stand":
        return self


@kiosk.projection("stand", key="stand_id")
@dataclass(frozen=True)
class StandRow:
    stand_id: UUID
    sold: int = 0

    @staticmethod
    def bought(event: Bought, row: "StandRow | None") -> "StandRow":
        return replace(row or StandRow(event.stand_id), sold=(row.sold if row else 0) + 1)


@kiosk.reactor
class Greeter:
    def bought(self, event: Bought) -> Thank:
        return Thank(event.stand_id)


@kiosk.process(key="stand_id", starts=(Bought,))
@dataclass(frozen=True)
class Counting:
    count: int = 0

    def bought(self, event: Bought) -> "Counting":
        return replace(self, count=self.count + 1)


@kiosk.effect(Bought)
async def tell(event: Bought) -> None:
    calls.append((event.stand_id, 1))


@kiosk.every("0 0 * * *")
def nightly(tick: datetime) -> Buy:
    return Buy(UUID(int=7), "night")
