"""A car park with hooks: before submitting and after deciding, for all commands and for some."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from commander import CommandContext, Domain, MaxLen, MinLen, ReactionRejected, Rejected, SubmitContext

parking = Domain("parking")
banned: set[str] = set()
"""Plates that the hook before submitting rejects; a test changes them between two submissions."""
seen: list[SubmitContext] = []
"""What the hooks before submitting were told."""


@parking.command
@dataclass(frozen=True)
class Enter:
    car_id: UUID
    plate: Annotated[str, MinLen(1), MaxLen(10)]
    at: datetime | None = None
    by: str | None = None


@parking.event
@dataclass(frozen=True)
class Entered:
    car_id: UUID
    plate: str
    at: datetime | None
    by: str | None


@parking.command(internal=True)
@dataclass(frozen=True)
class Charge:
    car_id: UUID
    plate: str


@parking.event
@dataclass(frozen=True)
class Charged:
    car_id: UUID


@parking.command(internal=True)
@dataclass(frozen=True)
class Waive:
    car_id: UUID
    code: str


@parking.event
@dataclass(frozen=True)
class Waived:
    car_id: UUID
    code: str


@parking.aggregate(key="car_id")
@dataclass(frozen=True)
class Car:
    inside: bool = False

    def enter(self, command: Enter) -> list[Entered]:
        if self.inside:
            raise Rejected("INSIDE", "the car is inside")
        count = 5 if command.plate == "MANY" else 1
        return [Entered(command.car_id, command.plate, command.at, command.by)] * count

    def charge(self, command: Charge) -> Charged:
        return Charged(command.car_id)

    def waive(self, command: Waive) -> Waived:
        return Waived(command.car_id, command.code)

    def entered(self, event: Entered) -> Car:
        return replace(self, inside=True)

    def charged(self, event: Charged) -> Car:
        return self

    def waived(self, event: Waived) -> Car:
        return self


@parking.reactor
class Till:
    def entered(self, event: Entered) -> Charge:
        return Charge(event.car_id, event.plate)

    def refused(self, refusal: ReactionRejected[Charge]) -> Waive:
        return Waive(refusal.command.car_id, refusal.code)


@parking.every("0 0 * * *")
def night_guard(tick: datetime) -> list[Enter]:
    return [Enter(UUID(int=1), "GUARD"), Enter(UUID(int=2), "BANNED")]


@parking.before_submit
def note(command: Any, context: SubmitContext) -> None:
    seen.append(context)


@parking.before_submit(Enter)
def normalize(command: Enter) -> Enter:
    return replace(command, plate=command.plate.strip().upper())


@parking.before_submit(Enter, Charge)
def refuse_banned(command: Enter | Charge) -> None:
    if command.plate in banned | {"BANNED"} or (isinstance(command, Charge) and command.plate == "FREE"):
        raise Rejected("BANNED", f"{command.plate} is banned")


@parking.before_submit(Enter)
def stamp(command: Enter, context: SubmitContext) -> Enter:
    wrong: Any = {
        "RAISES": lambda: 1 / 0,
        "EXITS": lambda: exit(3),
        "WAIVES": lambda: Waive(command.car_id, "WRONG"),
        "RETYPES": lambda: replace(command, plate=cast(Any, 5)),
        "MOVES": lambda: replace(command, car_id=UUID(int=9)),
    }
    if command.plate in wrong:
        return wrong[command.plate]()  # type: ignore[no-any-return]
    return replace(command, at=context.now, by=context.actor)


@parking.after_decide
def limit(command: Any, decision: tuple[Any, ...] | Rejected) -> None:
    if not isinstance(decision, Rejected) and len(decision) > 3:
        raise Rejected("TOO_MANY", f"{len(decision)} events")


@parking.after_decide(Enter)
def reword(command: Enter, decision: tuple[Any, ...] | Rejected, context: CommandContext) -> Any:
    if isinstance(decision, Rejected) and context.actor is None:
        raise Rejected(decision.code, "say who you are")
    if command.plate == "BUG":
        raise SystemExit(3)
    return command if command.plate == "ANSWERS" else None
