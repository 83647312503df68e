"""The domain of basket_old.py as it became: another default, and optional fields of every kind."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from commander import Domain, new_id

basket = Domain("basket")


@basket.command
@dataclass(frozen=True)
class Add:
    basket_id: UUID
    item: str
    note: str = ""
    price: Decimal = Decimal(2)
    wrapping: str | None = None
    tags: tuple[str, ...] = ()
    line_id: UUID = new_id()
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))


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
