"""A domain as it was: a command with few fields."""

from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from commander import Domain

basket = Domain("basket")


@basket.command
@dataclass(frozen=True)
class Add:
    basket_id: UUID
    item: str
    price: Decimal = Decimal(1)


@basket.event
@dataclass(frozen=True)
class Added:
    basket_id: UUID
    item: str


@basket.aggregate(key="basket_id")
@dataclass(frozen=True)
class Basket:
    items: int = 0

    def add(self, command: Add) -> Added:
        return Added(command.basket_id, command.item)

    def added(self, event: Added) -> "Basket":
        return replace(self, items=self.items + 1)
