"""A domain of orders: one process with a deadline, one reactor that counts, one that never ends by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from commander import Deadline, Domain, Later, ReactionRejected, Rejected

orders = Domain("orders")

PATIENCE = timedelta(milliseconds=300)


@orders.command
@dataclass(frozen=True)
class Order:
    order_id: UUID
    customer: str


@orders.command
@dataclass(frozen=True)
class Pay:
    order_id: UUID


@orders.command(internal=True)
@dataclass(frozen=True)
class Ship:
    order_id: UUID


@orders.command(internal=True)
@dataclass(frozen=True)
class Abandon:
    order_id: UUID


@orders.command
@dataclass(frozen=True)
class Reward:
    customer: str
    orders: int


@orders.command
@dataclass(frozen=True)
class Ring:
    bell: str


@orders.event
@dataclass(frozen=True)
class Ordered:
    order_id: UUID
    customer: str


@orders.event
@dataclass(frozen=True)
class Paid:
    order_id: UUID


@orders.event
@dataclass(frozen=True)
class Shipped:
    order_id: UUID


@orders.event
@dataclass(frozen=True)
class Abandoned:
    order_id: UUID


@orders.event
@dataclass(frozen=True)
class Rewarded:
    customer: str
    orders: int


@orders.event
@dataclass(frozen=True)
class Rung:
    bell: str


@orders.aggregate(key="order_id")
@dataclass(frozen=True)
class OneOrder:
    status: str = ""

    def order(self, command: Order) -> Ordered:
        return Ordered(command.order_id, command.customer)

    def pay(self, command: Pay) -> Paid:
        self._must_be("ordered")
        return Paid(command.order_id)

    def ship(self, command: Ship) -> Shipped:
        self._must_be("paid")
        return Shipped(command.order_id)

    def abandon(self, command: Abandon) -> Abandoned:
        self._must_be("ordered")
        return Abandoned(command.order_id)

    def ordered(self, event: Ordered) -> OneOrder:
        return OneOrder("ordered")

    def paid(self, event: Paid) -> OneOrder:
        return OneOrder("paid")

    def shipped(self, event: Shipped) -> OneOrder:
        return OneOrder("shipped")

    def abandoned(self, event: Abandoned) -> OneOrder:
        return OneOrder("abandoned")

    def _must_be(self, status: str) -> None:
        if self.status != status:
            raise Rejected("WRONG_STATUS", f"it is {self.status}")


@orders.aggregate(key="customer")
@dataclass(frozen=True)
class Customer:
    rewards: int = 0

    def reward(self, command: Reward) -> Rewarded:
        return Rewarded(command.customer, command.orders)

    def rewarded(self, event: Rewarded) -> Customer:
        return Customer(self.rewards + 1)


@orders.aggregate(key="bell")
@dataclass(frozen=True)
class Bell:
    rung: int = 0

    def ring(self, command: Ring) -> Rung:
        if command.bell == "cracked":
            raise Rejected("CRACKED")
        return Rung(command.bell)

    def was_rung(self, event: Rung) -> Bell:
        return Bell(self.rung + 1)


@orders.process(key="order_id", starts=(Ordered,), ends=(Shipped, Abandoned))
@dataclass(frozen=True)
class Payment:
    """Ships what is paid; abandons what is not paid in time."""

    customer: str = ""

    def ordered(self, event: Ordered) -> tuple[Payment, Deadline]:
        return Payment(event.customer), Deadline(Abandon(event.order_id), after=PATIENCE)

    def paid(self, event: Paid) -> Ship:
        return Ship(event.order_id)


@orders.reactor(key="customer")
@dataclass(frozen=True)
class Loyalty:
    """Rewards every third order of a customer."""

    orders: int = 0

    def ordered(self, event: Ordered) -> tuple[Loyalty, Reward] | Loyalty:
        if event.customer == "poison":
            raise RuntimeError("boom")
        counted = replace(self, orders=self.orders + 1)
        return (counted, Reward(event.customer, counted.orders)) if counted.orders % 3 == 0 else counted


@orders.reactor
class Echo:
    """Rings the loop bell for ever, and the slow one after a while, once."""

    def rung(self, event: Rung) -> Ring | Later | None:
        match event.bell:
            case "loop":
                return Ring("loop")
            case "slow":
                return Later(Ring("answer"), after=PATIENCE)
            case "bad":
                return Ring("cracked")
        return None

    def refused(self, refusal: ReactionRejected[Ring]) -> Ring | None:
        return Ring("cracked") if refusal.code == "CRACKED" else None
