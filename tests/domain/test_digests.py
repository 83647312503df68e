"""The digest of what was sent: what it stays the same for, and what it tells apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from commander import Domain, new_id
from commander.domain import CommandType
from commander.domain.digests import input_of, is_of_stored, stored_digest
from commander.domain.fields import derived_ids
from tests.domain.everything import Colour, Everything, Line, Price, values
from tests.drawing import examples

shop = Domain("shop")


@shop.command
@dataclass(frozen=True)
class DoEverything(Everything):
    """A command with one field of every type."""


@shop.command
@dataclass(frozen=True)
class Order:
    order_id: UUID
    lines: tuple[Line, ...]
    weight: float = 1.0
    at: datetime | None = None


EVERYTHING, ORDER = shop.commands["DoEverything"], shop.commands["Order"]
KEY = UUID(int=1)
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def ordered(amount: str, **given: Any) -> bytes:
    """The digest of an order as a client sends it."""
    line = {"price": {"amount": Decimal(amount)}, "colours": [Colour.RED]}
    return ORDER.digest(None, {"orderId": KEY, "lines": [line], **given})


def test_a_digest_is_the_same_in_every_version_of_commander() -> None:
    order = '"lines":[{"colours":["red"],"price":{"amount":"%s"}}],"orderId":"%s"'
    for digest, canonical in (
        (ordered("10.50", at=NOON), f'{{"at":"2030-01-01T12:00:00Z",{order % ("10.5", KEY)}}}'),
        (ordered("100", weight=-0.0), f'{{{order % ("1E+2", KEY)},"weight":0.0}}'),
    ):
        assert digest == b"\x01" + blake2b(b"Order\0" + canonical.encode(), digest_size=16).digest()


def test_equal_values_are_the_same_also_in_value_objects_and_lists() -> None:
    assert ordered("10.5") == ordered("10.50") == ordered("1050E-2")
    assert ordered("0") == ordered("-0.00")
    assert ordered("1", weight=0.0) == ordered("1", weight=-0.0) == ordered("1", weight=0)
    east = timezone(timedelta(hours=2))
    assert ordered("1", at=NOON) == ordered("1", at=NOON.astimezone(east))
    assert ordered("1", at=None) == ordered("1")
    digits = "1." + "3" * 900
    assert len({ordered("10.5"), ordered("10.51"), ordered(digits), ordered(digits + "1")}) == 4
    assert ordered("1", weight=1.0) != ordered("1"), "a default can change, what was sent cannot"


@examples(75)
@given(st.builds(DoEverything, **values))
def test_a_command_that_is_stored_and_read_again_has_the_same_digest(command: DoEverything) -> None:
    read = EVERYTHING.decode(EVERYTHING.encode(command))
    assert EVERYTHING.digest(read) == EVERYTHING.digest(command)
    given = input_of(EVERYTHING.fields, command)
    assert EVERYTHING.digest(command, given) == EVERYTHING.digest(command)


def test_a_command_that_code_made_is_as_if_its_defaults_were_absent() -> None:
    line = Line(Price(Decimal("10.5")), (Colour.RED,))
    assert ORDER.digest(Order(KEY, (line,))) == ordered("10.50")


def test_the_same_input_of_another_command_has_another_digest() -> None:
    other = CommandType("Other", Order, False, ORDER.fields, "", "")
    assert other.digest(Order(KEY, ())) != ORDER.digest(Order(KEY, ()))


later = Domain("later")


@later.command
@dataclass(frozen=True)
class Add:
    basket_id: UUID
    price: Decimal
    note: str = ""
    line_id: UUID = new_id()


ADD = later.commands["Add"]


def test_a_digest_over_stored_json_finds_its_command_also_with_fields_that_came_later() -> None:
    command_id = uuid4()
    command = Add(KEY, Decimal("1.50"), "", **derived_ids(ADD.fields, command_id))
    for data in (f'{{"basket_id":"{KEY}","price":"1.50"}}'.encode(), ADD.encode(command)):
        old = stored_digest("Add", data)
        assert is_of_stored(old)
        assert not is_of_stored(ADD.digest(command))
        assert ADD.is_stored_as(command, command_id, old, data)
        for other in (
            Add(KEY, Decimal("1.50"), "x"),
            Add(KEY, Decimal("1.51")),
            Add(uuid4(), Decimal("1.5")),
        ):
            assert not ADD.is_stored_as(other, command_id, old, data)
        assert not ADD.is_stored_as(command, command_id, stored_digest("Put", data), data)


def test_a_digest_of_a_command_that_a_hook_changed_finds_what_was_sent() -> None:
    command = Add(KEY, Decimal("1.50"), "sent")
    changed = Add(KEY, Decimal("1.50"), "by a hook")
    old, data = stored_digest("Add", ADD.encode(command)), ADD.encode(changed)
    assert ADD.is_stored_as(command, uuid4(), old, data)
    assert not ADD.is_stored_as(changed, uuid4(), old, data)


def test_stored_json_that_cannot_be_read_any_more_is_of_another_request() -> None:
    for data in (b'{"gone":1}', b"[]", b"{"):
        assert not ADD.is_stored_as(Add(KEY, Decimal(1)), uuid4(), stored_digest("Add", data), data)
