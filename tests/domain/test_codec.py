"""How events and commands are written: what is read back is what was written, for every type there is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander import CommanderError, Domain, new_id
from commander.domain import UndecodableEvent
from commander.domain.checking import problems_of
from commander.domain.digests import stored_digest
from commander.domain.fields import derived_ids
from tests.domain.everything import Colour, Everything, Line, Price, values
from tests.drawing import examples

shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Happened(Everything):
    """One field of every type that there is."""


@shop.event
@dataclass(frozen=True)
class Sold:
    line: Line


@shop.command
@dataclass(frozen=True)
class DoEverything(Everything):
    """The same as a command."""


@shop.command
@dataclass(frozen=True)
class AddItem:
    name: str
    item_id: UUID = new_id()
    batch_id: UUID = new_id()


@examples(150)
@given(st.builds(Happened, **values))
def test_an_event_is_read_back_as_it_was_written(event: Happened) -> None:
    type_ = shop.events["Happened"]
    assert problems_of(type_.fields, event) == []
    read = type_.decode(type_.encode(event), 1)
    assert read == event
    assert str(read.exact) == str(event.exact)  # digits and exponent too, which equality does not see
    assert [str(gap) for gap in read.gaps] == [str(gap) for gap in event.gaps]
    assert str(read.line.price.amount) == str(event.line.price.amount)
    assert shop.decode("Happened", 1, type_.encode(event).decode(), 1) == event


@examples(75)
@given(st.builds(DoEverything, **values))
def test_a_command_is_read_back_as_it_was_written(command: DoEverything) -> None:
    type_ = shop.commands["DoEverything"]
    type_.check(command)
    assert type_.decode(type_.encode(command)) == command


def test_the_stored_form_is_plain_json_with_decimals_as_text() -> None:
    type_ = shop.commands["AddItem"]
    data = type_.encode(AddItem("pen", UUID(int=1), UUID(int=2)))
    assert json.loads(data) == {
        "name": "pen",
        "item_id": "00000000-0000-0000-0000-000000000001",
        "batch_id": "00000000-0000-0000-0000-000000000002",
    }
    sold = shop.events["Sold"].encode(Sold(Line(Price(Decimal("1.50")), (Colour.RED,))))
    assert json.loads(sold) == {
        "line": {"price": {"amount": "1.50", "currency": "EUR"}, "colours": ["red"], "note": None}
    }


def test_a_field_added_with_a_default_is_read_from_what_was_stored_before() -> None:
    type_ = shop.commands["AddItem"]
    assert type_.decode('{"name": "pen", "item_id": "' + str(UUID(int=1)) + '", "gone": 1}').name == "pen"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("{}", "missing required field `amount`"),
        ('{"amount": "much"}', "amount"),
        ('{"amount": null}', "amount"),
        ("[]", "Expected `object`"),
        ("{", "truncated"),
        ('{"amount": "1", "colour": "blue"}', "blue"),
        ('{"amount": "-1"}', "no debts"),
        ('{"amount": "0"}', "not for nothing"),
    ],
)
def test_data_that_does_not_fit_is_told_with_its_position(data: str, reason: str) -> None:
    domain = Domain("shop")

    @domain.event
    @dataclass(frozen=True)
    class Paid:
        amount: Decimal
        colour: Colour = Colour.RED

        def __post_init__(self) -> None:
            if self.amount < 0:
                raise ValueError("no debts")
            assert self.amount, "not for nothing"

    with pytest.raises(UndecodableEvent, match="the event at position 7 cannot be read as Paid") as caught:
        domain.decode("Paid", 1, data, 7)
    assert (caught.value.position, caught.value.type_name) == (7, "Paid")
    assert reason in caught.value.reason
    assert isinstance(caught.value, CommanderError)


def test_an_event_that_is_gone_or_newer_is_told_with_its_position() -> None:
    with pytest.raises(UndecodableEvent, match="the domain shop has no such event"):
        shop.decode("Gone", 1, "{}", 3)
    with pytest.raises(UndecodableEvent, match="version 2, newer than this code's 1"):
        shop.decode("Happened", 2, "{}", 3)


def test_an_older_event_is_upcast_step_by_step() -> None:
    domain = Domain("shop")

    @domain.event(version=4)
    @dataclass(frozen=True)
    class Paid:
        amount: Decimal
        currency: str
        moment: datetime
        paid_by: UUID | None = None

    @domain.upcast(Paid, from_version=1)
    def to_2(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "currency": "EUR"}

    @domain.upcast(Paid, from_version=3)
    def to_4(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "amount": data.pop("cents")[:-2] + ".00"}

    moment = datetime(2000, 1, 1, tzinfo=UTC)
    old = json.dumps({"cents": "500", "moment": moment.isoformat(), "paid_by": str(UUID(int=1))})
    assert domain.decode("Paid", 1, old, 1) == Paid(Decimal("5.00"), "EUR", moment, UUID(int=1))
    third = json.dumps({"cents": "500", "moment": moment.isoformat(), "currency": "USD"})
    assert domain.decode("Paid", 3, third, 1) == Paid(Decimal("5.00"), "USD", moment)
    with pytest.raises(
        UndecodableEvent,
        match=r"upcasting from version 3 raised KeyError: 'cents' \(.*/test_codec\.py:\d+\)$",
    ):
        domain.decode("Paid", 2, "{}", 9)
    with pytest.raises(UndecodableEvent, match="position 9 "):
        domain.decode("Paid", 3, '{"cents": "500"}', 9)


def test_generated_ids_follow_from_the_command_id_and_the_field() -> None:
    fields = shop.commands["AddItem"].fields
    command_id = uuid4()
    ids = derived_ids(fields, command_id)
    assert ids == {"item_id": uuid5(command_id, "item_id"), "batch_id": uuid5(command_id, "batch_id")}
    assert ids == derived_ids(fields, command_id)
    assert len({*ids.values(), *derived_ids(fields, uuid4()).values()}) == 4
    assert [field.generated for field in fields] == [False, True, True]


def test_without_the_api_a_generated_id_is_a_random_one() -> None:
    assert AddItem("pen").item_id != AddItem("pen").item_id


def test_the_digest_tells_contents_and_types_apart() -> None:
    contents = [("A", b"b"), ("Ab", b""), ("A", b"c"), ("B", b"b")]
    digests = {stored_digest(type_, data) for type_, data in contents}
    assert len(digests) == 4
    assert stored_digest("A", b"b") == stored_digest("A", b"b")
    assert {len(digest) for digest in digests} == {16}


def test_an_error_of_post_init_names_its_line() -> None:
    domain = Domain("shop")

    @domain.event
    @dataclass(frozen=True)
    class Paid:
        cents: int

        def __post_init__(self) -> None:
            if self.cents < 0:
                raise ValueError("a debt")

    with pytest.raises(UndecodableEvent, match=r"Paid: a debt .*\(.*/test_codec\.py:\d+\)$"):
        domain.decode("Paid", 1, '{"cents": -1}', 9)
    with pytest.raises(UndecodableEvent, match=r"^[^/]*$"):
        domain.decode("Paid", 1, '{"cents": "x"}', 9)
