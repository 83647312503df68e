"""Deciders that find a state by a unique key: where it comes from, and where events go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from commander import CommandContext, Found, Rejected, by
from commander.domain import InvalidDecision
from commander.domain.deciders import Source, StreamSource
from commander.domain.look_ups import _KEY_FROM, KeySource
from commander.testing import given
from tests.domain.club import (
    FULL,
    AddressGivenUp,
    AddressTaken,
    BringChair,
    BuildRoom,
    ChairBrought,
    Door,
    LetterReceived,
    LetterSent,
    Member,
    RingUp,
    Room,
    RoomBuilt,
    Send,
    club,
)

CONTEXT = CommandContext(UUID(int=7), UUID(int=7), datetime(2000, 1, 1, tzinfo=UTC))
ADA, BEN = AddressTaken(1, "Ada@club", ("11", "12")), AddressTaken(2, "ben@club", ("21",))


def decided(command: Any, sources: Sequence[Source], *states: Any) -> Any:
    return club.deciders[type(command).__name__].decide(sources, states, command, lambda: CONTEXT)


def test_a_look_up_has_the_key_in_its_canonical_form() -> None:
    club.check()
    own = StreamSource("member-1")
    sources = club.deciders["Send"].sources_of
    assert sources(Send(1, "BEN@Club")) == (own, KeySource("member.address", '["ben@club"]'))
    assert sources(Send(1, None)) == (own, KeySource("member.address", None))
    assert club.deciders["RingUp"].sources_of(RingUp(1, "21"))[1] == KeySource("member.phone", '["21"]')
    room = club.deciders["BringChair"].sources_of(BringChair(1, Door.BACK, 5))[1]
    assert room == KeySource("room.door_number", '["back",5]')
    assert club.shared == {"member", "room"}


def test_the_decider_gets_the_state_with_the_key_of_its_stream() -> None:
    sources = StreamSource("member-1"), StreamSource("member-2")
    events = decided(Send(1, "ben@club"), sources, Member("ada@club"), Member("ben@club"))
    assert events == ((0, LetterSent(1)), (1, LetterReceived(2, "ben@club")))


def test_the_decider_gets_none_if_no_stream_holds_the_key() -> None:
    sources = club.deciders["Send"].sources_of(Send(1, "ben@club"))
    with pytest.raises(Rejected, match="NOBODY"):
        decided(Send(1, "ben@club"), sources, Member(), None)


def test_the_stream_of_the_command_can_be_found_too() -> None:
    sources = StreamSource("member-1"), StreamSource("member-1")
    events = decided(Send(1, "ada@club"), sources, Member("ada@club"), Member("ada@club"))
    assert events == ((0, LetterSent(1)), (0, LetterReceived(1, "ada@club")))


def test_an_event_without_a_key_goes_to_the_only_state_of_its_aggregate() -> None:
    sources = StreamSource("member-1"), StreamSource("room-hall")
    assert decided(BringChair(1, Door.BACK, 5), sources, Member(), Room()) == ((1, ChairBrought(1)),)


def test_an_event_for_a_state_that_was_not_found_is_no_decision() -> None:
    command = BringChair(1, Door.BACK, 5, even_if_none=True)
    sources = club.deciders["BringChair"].sources_of(command)
    with pytest.raises(InvalidDecision, match="bring returned ChairBrought for room, which was not found"):
        decided(command, sources, Member(), None)


@pytest.mark.parametrize("key", [UUID(int=5), "a-b-c", -17, date(2026, 12, 1)])
def test_a_key_is_read_from_its_stream(key: Any) -> None:
    assert _KEY_FROM[type(key)](str(key)) == key
    look_up = club.deciders["BringChair"].states[1].look_up
    assert look_up is not None
    assert look_up.found("room-a-b", 5) == Found("a-b", 5)


def test_codes_are_found_in_methods_that_a_decider_calls_on_what_it_found() -> None:
    assert set(club.rejection_codes["Send"]) == {"NOBODY", "FULL", "NOT_UNIQUE"}


def test_the_field_with_a_unique_key_is_not_the_key_of_a_stream() -> None:
    fields = club.key_fields_of(club.aggregates["member"])
    assert {field.name for field in fields} == {"member", "to"}


def test_given_finds_the_stream_that_holds_the_key() -> None:
    sent = LetterSent(1), LetterReceived(2, "BEN@club")
    given(ADA, BEN).when(Send(1, "BEN@club")).then(*sent)
    given(ADA, BEN, AddressGivenUp(2)).when(Send(1, "BEN@club")).then(Rejected("NOBODY"))
    moved = AddressGivenUp(2), AddressTaken(3, "ben@club")
    given(ADA, BEN, *moved).when(Send(1, "BEN@club")).then(LetterSent(1), LetterReceived(3, "BEN@club"))
    given(ADA, BEN).when(Send(1, None)).then(Rejected("NOBODY"))
    given(ADA, BEN).when(RingUp(2, "12")).then(LetterSent(1, by_phone=True))
    received = [LetterReceived(2, "ben@club")] * FULL
    given(ADA, BEN, *received).when(Send(1, "ben@club")).then(Rejected("FULL"))


def test_given_takes_events_with_several_fields_as_a_key() -> None:
    built = RoomBuilt("hall", Door.BACK, 5)
    given(ADA, built).when(BringChair(1, Door.BACK, 5)).then(ChairBrought(1))
    given(ADA, built).when(BringChair(1, Door.FRONT, 5)).then(Rejected("NO_ROOM"))
    given(built).when(BuildRoom("cellar", Door.BACK, 5)).then(Rejected("NOT_UNIQUE"))


def test_given_cannot_say_which_stream_an_event_without_a_key_is_of() -> None:
    with pytest.raises(TypeError, match="ChairBrought has no field room, so it is not clear which stream"):
        given(ChairBrought(1)).when(BringChair(1, Door.BACK, 5))


def test_by_takes_the_fields_of_the_key_by_default() -> None:
    assert by("door_number").fields == ()
    assert club.deciders["BringChair"].states[1].fields == ("door", "number")
