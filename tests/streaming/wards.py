"""Doctors on call: one may leave only while the colleague stays. The decider reads what it does not write."""

from __future__ import annotations

from dataclasses import dataclass, replace

from commander import Domain, Rejected

wards = Domain("wards")


@wards.event
@dataclass(frozen=True)
class WentOnCall:
    doctor: int


@wards.event
@dataclass(frozen=True)
class WentOffCall:
    doctor: int


@wards.command
@dataclass(frozen=True)
class GoOnCall:
    doctor: int


@wards.command
@dataclass(frozen=True)
class GoOffCall:
    doctor: int
    colleague: int


@wards.aggregate(key="doctor")
@dataclass(frozen=True)
class Doctor:
    on_call: bool = True

    def go_on(self, command: GoOnCall) -> WentOnCall:
        return WentOnCall(command.doctor)

    def went_on(self, event: WentOnCall) -> Doctor:
        return replace(self, on_call=True)

    def went_off(self, event: WentOffCall) -> Doctor:
        return replace(self, on_call=False)


@wards.decider(doctor="doctor", colleague="colleague")
def go_off(command: GoOffCall, doctor: Doctor, colleague: Doctor) -> WentOffCall:
    if not colleague.on_call:
        raise Rejected("ALONE", "the colleague is not on call")
    return WentOffCall(command.doctor)
