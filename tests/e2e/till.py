"""A till whose projection is written anew: which code runs is in TILL."""

import os
from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain

till = Domain("till")


@till.event
@dataclass(frozen=True)
class Paid:
    till_id: UUID
    amount: int


@till.command
@dataclass(frozen=True)
class Pay:
    till_id: UUID
    amount: int


@till.aggregate(key="till_id")
@dataclass(frozen=True)
class Till:
    count: int = 0

    def pay(self, command: Pay) -> Paid:
        return Paid(command.till_id, command.amount)

    def paid(self, event: Paid) -> "Till":
        return replace(self, count=self.count + 1)


@till.projection("well", key="till_id")
@dataclass(frozen=True)
class Well:
    """Never changes, and never fails."""

    till_id: UUID
    payments: int = 0

    @classmethod
    def paid(cls, event: Paid, row: "Well | None") -> "Well":
        return cls(event.till_id, 1 if row is None else row.payments + 1)


match os.environ.get("TILL", "first"):
    case "first":

        @till.projection("sum", key="till_id")
        @dataclass(frozen=True)
        class First:
            till_id: UUID
            total: int = 0

            @classmethod
            def paid(cls, event: Paid, row: "First | None") -> "First":
                return cls(event.till_id, event.amount + (0 if row is None else row.total))

    case "doubled":  # the same shape

        @till.projection("sum", key="till_id")
        @dataclass(frozen=True)
        class Doubled:
            till_id: UUID
            total: int = 0

            @classmethod
            def paid(cls, event: Paid, row: "Doubled | None") -> "Doubled":
                return cls(event.till_id, 2 * event.amount + (0 if row is None else row.total))

    case "wider":  # another shape

        @till.projection("sum", key="till_id", indexes=("largest",))
        @dataclass(frozen=True)
        class Wider:
            till_id: UUID
            total: int = 0
            largest: int = 0

            @classmethod
            def paid(cls, event: Paid, row: "Wider | None") -> "Wider":
                before = row or cls(event.till_id)
                return cls(event.till_id, before.total + event.amount, max(before.largest, event.amount))

    case "raising":

        @till.projection("sum", key="till_id")
        @dataclass(frozen=True)
        class Raising:
            till_id: UUID
            total: int = 0

            @classmethod
            def paid(cls, event: Paid, row: "Raising | None") -> "Raising":
                if event.amount == 13:
                    raise ValueError("13 is unlucky")
                return cls(event.till_id, event.amount + (0 if row is None else row.total))
