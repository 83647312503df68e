"""Parcels, as old code knows them, as new code does, and as the code after that, which has dropped a part."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commander import Domain


class Parcels:
    """A domain, and what its effect was called with. code: old, new, or newest."""

    def __init__(self, code: str) -> None:
        self.domain = parcels = Domain("parcels")
        self.told: list[str] = []
        told = self.told

        @parcels.command
        @dataclass(frozen=True)
        class Send:
            parcel_id: UUID

        @parcels.command(internal=True)
        @dataclass(frozen=True)
        class Bill:
            parcel_id: UUID
            what: str

        @parcels.event(version=1 if code == "old" else 2)
        @dataclass(frozen=True)
        class Sent:
            parcel_id: UUID

        @parcels.event
        @dataclass(frozen=True)
        class Billed:
            parcel_id: UUID
            what: str

        @parcels.projection("parcel", key="parcel_id")
        @dataclass(frozen=True)
        class Row:
            parcel_id: UUID

            @classmethod
            def sent(cls, event: Sent) -> "Row":
                return cls(event.parcel_id)

        self.send = Send
        if code == "new":

            @parcels.command
            @dataclass(frozen=True)
            class Return:
                parcel_id: UUID

            @parcels.event
            @dataclass(frozen=True)
            class Returned:
                parcel_id: UUID

            @parcels.aggregate(key="parcel_id")
            @dataclass(frozen=True)
            class Parcel:
                def send(self, command: Send) -> Sent:
                    return Sent(command.parcel_id)

                def bill(self, command: Bill) -> Billed:
                    return Billed(command.parcel_id, command.what)

                def sent(self, event: Sent) -> "Parcel":
                    return self

                def billed(self, event: Billed) -> "Parcel":
                    return self

                def bring_back(self, command: Return) -> Returned:
                    return Returned(command.parcel_id)

                def returned(self, event: Returned) -> "Parcel":
                    return self

            @parcels.reactor
            class Billing:
                def on_sent(self, event: Sent) -> Bill:
                    return Bill(event.parcel_id, "sent")

                def on_returned(self, event: Returned) -> Bill:
                    return Bill(event.parcel_id, "returned")

            @parcels.effect(Sent, Returned)
            async def tell(event: Sent | Returned) -> None:
                told.append(type(event).__name__)

            self.bring_back = Return
            return

        @parcels.aggregate(key="parcel_id")
        @dataclass(frozen=True)
        class Parcel:  # type: ignore[no-redef]
            def send(self, command: Send) -> Sent:
                return Sent(command.parcel_id)

            def bill(self, command: Bill) -> Billed:
                return Billed(command.parcel_id, command.what)

            def sent(self, event: Sent) -> Any:
                return self

            def billed(self, event: Billed) -> Any:
                return self

        @parcels.reactor
        class Billing:  # type: ignore[no-redef]
            def on_sent(self, event: Sent) -> Bill:
                return Bill(event.parcel_id, "sent")

        @parcels.effect(Sent)  # type: ignore[no-redef]
        async def tell(event: Sent) -> None:
            told.append(type(event).__name__)

        if code == "newest":

            @parcels.before_submit
            def no_check(command: object) -> None:
                """The code differs from the old one in this too."""
