"""The domain of kiosk_old.py after all its definitions are renamed."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from commander import Domain

kiosk = Domain("kiosk")
calls: list[tuple[UUID, int]] = []


@kiosk.command(was=("Buy",))
@dataclass(frozen=True)
class Purchase:
    stand_id: UUID
    item: str


@kiosk.command(internal=True, name="Thank")
@dataclass(frozen=True)
class SayThanks:
    stand_id: UUID


@kiosk.event(was=("Bought",))
@dataclass(frozen=True)
class ItemSold:
    stand_id: UUID
    item: str


@kiosk.event(name="Thanked")
@dataclass(frozen=True)
class ThanksSaid:
    stand_id: UUID


@kiosk.aggregate(key="stand_id", was=("Stand",))
@dataclass(frozen=True)
class Shop:
    sold: int = 0

    def buy(self, command: Purchase) -> ItemSold:
        return ItemSold(command.stand_id, command.item)

    def thank(self, command: SayThanks) -> ThanksSaid:
        return ThanksSaid(command.stand_id)

    def bought(self, event: ItemSold) -> "Shop":
        return replace(self, sold=self.sold + 1)

    def thanked(self, event: ThanksSaid) -> "Shop":
        return self


@kiosk.projection("shop", key="stand_id", was=("stand",))
@dataclass(frozen=True)
class ShopRow:
    stand_id: UUID
    sold: int = 0

    @staticmethod
    def bought(event: ItemSold, row: "ShopRow | None") -> "ShopRow":
        return replace(row or ShopRow(event.stand_id), sold=(row.sold if row else 0) + 1)


@kiosk.reactor(was=("Greeter",))
class Courtesy:
    def bought(self, event: ItemSold) -> SayThanks:
        return SayThanks(event.stand_id)


@kiosk.process(key="stand_id", starts=(ItemSold,), name="Counting")
@dataclass(frozen=True)
class Tally:
    count: int = 0

    def bought(self, event: ItemSold) -> "Tally":
        return replace(self, count=self.count + 1)


@kiosk.effect(ItemSold, was=("tell",))
async def report(event: ItemSold) -> None:
    calls.append((event.stand_id, 2))


@kiosk.every("0 0 * * *", was=("nightly",))
def at_night(tick: datetime) -> Purchase:
    return Purchase(UUID(int=7), "night")
