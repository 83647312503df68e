"""What the domain's code returns is held against its declared types, in a test as in the processor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec
import pytest

from commander import Domain, Rejected
from commander.domain import InvalidDecision
from commander.domain.mutability import is_mutable
from commander.eventstore.records import Status, SubmittedCommand
from commander.streaming.commands.deciding import decide
from commander.streaming.commands.stream_states import StreamState
from commander.testing import Reactors, given

shop = Domain("shop")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@shop.event
@dataclass(frozen=True)
class Priced:
    item_id: UUID
    price: Decimal
    stock: int


@shop.event
@dataclass(frozen=True)
class Lost:
    item_id: UUID


@shop.command
@dataclass(frozen=True)
class Price:
    item_id: UUID
    kind: str = "right"


@shop.command
@dataclass(frozen=True)
class Lose:
    item_id: UUID


@shop.command
@dataclass(frozen=True)
class Note:
    item_id: UUID
    text: str


@shop.aggregate(key="item_id")
@dataclass(frozen=True)
class Item:
    notes: list[str] = field(default_factory=list)

    def price(self, command: Price) -> Any:
        values: dict[str, tuple[Any, Any]] = {
            "right": (Decimal(1), 1),
            "float": (1.5, 1),
            "whole": (1, 1),
            "large": (Decimal(1), 2**31),
            "text": (Decimal(1), "5"),
            "none": (None, 1),
        }
        return Priced(command.item_id, *values[command.kind])

    def lose(self, command: Lose) -> Lost:
        return Lost(command.item_id)

    def note(self, command: Note) -> None:
        self.notes.append(command.text)
        raise Rejected("REFUSED", f"{len(self.notes)} notes")

    def priced(self, event: Priced) -> Item:
        return replace(self, notes=[*self.notes, str(event.price)])

    def lost(self, event: Lost) -> Any:
        return None


@shop.reactor
class Clerk:
    def lost(self, event: Lost) -> Note:
        return Note(event.item_id, 5)  # type: ignore[arg-type]


def submitted(command: Any) -> SubmittedCommand:
    type_ = shop.type_of(command)
    id_ = uuid4()
    return SubmittedCommand(
        command_id=id_,
        correlation_id=id_,
        type=type_.name,
        stream=f"item-{command.item_id}",
        data=msgspec.Raw(type_.encode(command)),
        submitted_at=NOW,
    )


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("float", "price: must be a Decimal, got float 1.5"),
        ("whole", "price: must be a Decimal, got int 1"),
        ("large", "stock: must fit into 32 bits (a BigInt has 64), got 2147483648"),
        ("text", "stock: must be an int, got str '5'"),
        ("none", "price: must not be None"),
    ],
)
def test_an_event_that_does_not_fit_its_types_is_not_stored(kind: str, problem: str) -> None:
    command = Price(uuid4(), kind)
    told = f"Item.price returned Priced with {problem}"
    decision, _ = decide(shop, submitted(command), StreamState(Item(), 0), NOW)
    assert (decision.status, decision.code, decision.message) == (Status.FAILED, "INVALID_DECISION", told)
    with pytest.raises(InvalidDecision) as error:
        given().when(command)
    assert str(error.value) == told


def test_an_evolver_that_returns_no_state_fails_the_command_and_keeps_the_stream() -> None:
    told = "an evolver of Item returned NoneType, not the next state, for Lost"
    decision, after = decide(shop, submitted(Lose(uuid4())), StreamState(Item(["a"]), 1), NOW)
    assert (decision.code, decision.message) == ("INVALID_DECISION", told)
    assert (decision.events, after.state) == ((), Item(["a"]))
    with pytest.raises(InvalidDecision, match=told):
        given().when(Lose(uuid4()))


def test_a_decider_that_changes_the_state_and_refuses_leaves_the_state_as_it_was() -> None:
    current = StreamState(Item(["a"]), 1)
    for _ in range(2):
        decision, after = decide(shop, submitted(Note(uuid4(), "b")), current, NOW)
        assert (decision.code, decision.message) == ("REFUSED", "2 notes")
        assert after.state == current.state == Item(["a"])


def test_a_test_refuses_what_the_processor_refuses() -> None:
    item = uuid4()
    with pytest.raises(TypeError, match="Priced could not be stored: stock: must be an int, got str '5'"):
        given(Priced(item, Decimal(1), "5")).when(Price(item))  # type: ignore[arg-type]
    given().when(Note(item, 5)).then_invalid("text")  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError):  # what comes over NATS
        shop.type_of(Note(item, "")).decode(b'{"item_id": "%s", "text": 5}' % str(item).encode())  # type: ignore[call-arg]
    with pytest.raises(Exception, match="text: must be a str, got int 5"):
        Reactors(shop).react(Lost(item))


class Colour(Enum):
    RED = "RED"


@dataclass(frozen=True)
class Line:
    price: Decimal
    colours: tuple[Colour, ...] = ()


@dataclass
class Loose:
    note: str = ""


@pytest.mark.parametrize(
    ("hint", "mutable"),
    [
        (str | None, False),
        (Decimal, False),
        (Colour, False),
        (Literal["a"], False),
        (tuple[Line, ...], False),
        (frozenset[UUID], False),
        (Line | None, False),
        (list[str], True),
        (dict[str, int], True),
        (set[int], True),
        (tuple[list[int], ...], True),
        (Loose, True),
        (Any, True),
    ],
    ids=str,
)
def test_a_state_is_copied_only_if_it_could_be_changed_in_place(hint: Any, mutable: bool) -> None:
    state: type = dataclass(frozen=True)(type("State", (), {"__annotations__": {"one": hint}, "one": None}))
    assert is_mutable(state) is mutable
