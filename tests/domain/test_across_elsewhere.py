"""What else goes by who decides a command holds for deciders over several states too."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import DefinitionError, Domain, Rejected, Viewer, same_as, touches
from commander.domain.affordances import Affordances, Availability
from commander.domain.comparing import StoredNames, unknown_names
from commander.domain.reach import Reach
from commander.domain.time_travel import aggregate_behind
from tests.domain.refusing import refused
from tests.domain.school import Student, school
from tests.domain.shop import Opened

ADA = UUID(int=1)


def test_a_viewer_is_told_of_the_commands_of_the_first_state() -> None:
    found = Affordances(school, school.aggregates["student"]).in_state(None, ADA, Student())
    assert found == [
        Availability("Register"),
        Availability("Leave", "NOT_REGISTERED", ""),
        Availability("Enrol", "NOT_REGISTERED", ""),
        Availability("Audit"),
        Availability("SwapDesks"),
    ]
    course = Affordances(school, school.aggregates["course"])
    assert [one.command for one in course.in_state(None, ADA, None)] == ["OpenCourse"]


def test_the_key_in_a_command_that_is_not_there_yet_is_the_field_of_its_decider() -> None:
    seen: list[Any] = []

    def own(viewer: Viewer, command: Any) -> bool:
        seen.append(command.one_id)
        return True

    domain, _ = with_decider(allow=own)
    [found] = Affordances(domain, domain.aggregates["desk"]).known(domain.rights(Viewer("ada")), ADA)
    assert found == Availability("Swap")
    assert seen == [ADA]


def with_decider(**options: Any) -> tuple[Domain, type]:
    """A domain with one aggregate, whose one command is decided by a function, and a row of it."""
    domain = Domain("desks")

    @domain.event(visible=options.pop("visible", None))
    @dataclass(frozen=True)
    class Swapped:
        desk_id: UUID

    @domain.event
    @dataclass(frozen=True)
    class Dusted:
        desk_id: UUID

    other: Any = options.pop("other", UUID)

    @domain.command(**options)
    @dataclass(frozen=True)
    class Swap:
        one_id: UUID
        other_id: other

    @domain.aggregate(key="desk_id")
    @dataclass(frozen=True)
    class Desk:
        swaps: int = 0

        def swapped(self, event: Swapped) -> "Desk":
            return Desk(self.swaps + 1)

        def dusted(self, event: Dusted) -> "Desk":
            return self

    @domain.decider(one="one_id", other="other_id")
    def swap(command: Swap, one: Desk, other: Desk) -> tuple[Swapped, Swapped]:
        if command.one_id == command.other_id:
            raise Rejected("ONE_DESK")
        return Swapped(command.one_id), Swapped(command.other_id)

    @domain.projection("desk", key="desk_id")
    @dataclass(frozen=True)
    class Row:
        desk_id: UUID

        @classmethod
        def swapped(cls, event: Swapped) -> "Row":
            return cls(event.desk_id)

    return domain, Swapped


def test_a_past_row_needs_the_type_of_each_key_that_a_decider_takes() -> None:
    domain, _ = with_decider()
    domain.check()
    assert aggregate_behind(domain, domain.projections["desk"]) is domain.aggregates["desk"]
    domain, _ = with_decider(other=str)
    assert aggregate_behind(domain, domain.projections["desk"]) is None


def test_who_sends_a_command_reaches_the_events_that_its_decider_returns() -> None:
    domain, swapped = with_decider(allow={"mover"})
    shown = {one.name for one in domain.events.values() if Reach(domain, frozenset({"mover"})).shows(one)}
    assert shown == {"Swapped"}, "not Dusted, which the decider is not annotated to return"
    assert not Reach(domain, frozenset({"other"})).shows(domain.event_of[swapped])
    clerk = Reach(school, frozenset({"clerk"}))
    assert clerk.shows(school.events["SeatTaken"]), "of the second state"
    assert not clerk.shows(school.events["DeskGiven"])


def test_an_event_that_is_visible_with_a_row_of_another_type_of_key() -> None:
    """Without a key, same_as takes that of the stream. The fields of a decider show its type."""
    domain, swapped = with_decider(visible=same_as("label"))

    @domain.projection("label", key="text")
    @dataclass(frozen=True)
    class Label:
        text: str

        @touches(lambda event: ["all"])
        def on(self, event: swapped) -> "Label":  # type: ignore[valid-type]
            return self

    problem = r"Swapped: same_as\('label'\): the key one_id of its stream is not of the type of Label.text"
    with pytest.raises(DefinitionError, match=problem):
        domain.check()


def test_the_stored_keys_of_a_rule_that_is_gone_are_named() -> None:
    stored = StoredNames({}, {}, {"unique key": ("student.email", "student.mail")})
    [sentence] = unknown_names(school, stored, ("unique key",))
    assert sentence == (
        "keys of the unique key student.mail are stored, which the domain school does not have. "
        'If student.email is its new name, write Unique(…, name="mail") there; '
        'if it is gone for good, school.retired(unique_keys=("student.mail",))'
    )
    assert unknown_names(school, stored, ("projection",)) == []


def test_a_retired_unique_key_is_known(domain: Domain) -> None:
    domain.retired(unique_keys=("box.mail",))
    stored = StoredNames({}, {}, {"unique key": ("box.mail",)})
    assert unknown_names(domain, stored, ("unique key",)) == []
    with refused("the unique key name box.mail is taken: it is retired at"):

        @domain.aggregate(key="account_id", unique=("mail",))  # <- here
        class Box:
            mail: str | None = None

            def opened(self, event: Opened) -> "Box":
                return self
