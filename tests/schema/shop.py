"""A second domain in one graph with the bank: the buyer of an order is an account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated
from uuid import UUID

from commander import Domain, Entity, Gt, Rejected, new_id

shop = Domain("shop")


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Price:
    """An amount of money in a currency."""

    amount: Annotated[Decimal, Gt(0)]
    currency: str = "EUR"


@shop.event
@dataclass(frozen=True)
class OrderPlaced:
    order_id: UUID
    buyer_id: UUID
    payer_id: UUID | None
    price: Price
    size: Size


@shop.command
@dataclass(frozen=True)
class PlaceOrder:
    """Buy something."""

    buyer_id: UUID
    price: Price
    payer_id: UUID | None = None
    size: Size = Size.SMALL
    order_id: UUID = new_id()


@shop.aggregate(key="order_id")
@dataclass(frozen=True)
class Order:
    placed: bool = False

    def place(self, command: PlaceOrder) -> OrderPlaced:
        if self.placed:
            raise Rejected("ORDER_PLACED", "it is placed already")
        return OrderPlaced(command.order_id, command.buyer_id, command.payer_id, command.price, command.size)

    def was_placed(self, event: OrderPlaced) -> Order:
        return Order(placed=True)


@shop.projection("order", key="order_id", indexes=("buyer_id",), filterable=("size",))
@dataclass(frozen=True)
class OrderRow:
    """An order, with who buys and who pays."""

    order_id: UUID
    buyer_id: Annotated[UUID, Entity("Account", key="accountId")]
    payer_id: Annotated[UUID | None, Entity("Account", key="accountId", name="paid_by")]
    price: Price
    size: Size

    @classmethod
    def placed(cls, event: OrderPlaced) -> OrderRow:
        return cls(event.order_id, event.buyer_id, event.payer_id, event.price, event.size)
