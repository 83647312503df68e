"""Tags of events: their texts, and what cannot be one."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import BigInt, Domain, Tag, Visible
from commander.domain import EventType, InvalidDecision
from tests.domain.refusing import refused


class Level(Enum):
    HIGH = 3


@pytest.fixture
def tagged(domain: Domain) -> EventType:
    @domain.event
    @dataclass(frozen=True)
    class Tagged:
        thing_id: Annotated[UUID, Tag()] = UUID(int=1)
        name: Annotated[str, Tag(), Visible({"clerk"})] = "a:b"
        count: Annotated[int, Tag()] = 5
        large: Annotated[BigInt, Tag()] = BigInt(2**40)  # noqa: RUF009
        day: Annotated[date, Tag()] = date(2026, 1, 31)
        done: Annotated[bool, Tag()] = True
        level: Annotated[Level, Tag()] = Level.HIGH
        nobody: Annotated[str | None, Tag()] = None
        plain: str = ""

    return domain.event_of[Tagged]


def test_a_tag_is_the_field_and_the_value(tagged: EventType) -> None:
    assert tagged.tags_of(tagged.cls()) == (
        "thing_id:00000000-0000-0000-0000-000000000001",
        "name:a:b",
        "count:5",
        f"large:{2**40}",
        "day:2026-01-31",
        "done:true",
        "level:3",
    )
    assert tagged.tagged == ("thing_id", "name", "count", "large", "day", "done", "level", "nobody")


def test_a_tag_that_is_too_long_is_no_decision(tagged: EventType) -> None:
    assert tagged.tags_of(tagged.cls(name="x" * 495))[1] == "name:" + "x" * 495
    for name in ("x" * 496, "é" * 248):
        with pytest.raises(InvalidDecision, match=r"the tag Tagged.name has more than 500 bytes"):
            tagged.tags_of(tagged.cls(name=name))


@pytest.mark.parametrize("hint", [Decimal, float, datetime, tuple[UUID, ...]])
def test_a_tag_of_another_type(domain: Domain, hint: Any) -> None:
    with refused("Wrong.value: a tag must be a UUID, str, int, BigInt, date, bool or an Enum, or None"):

        @domain.event  # <- here
        class Wrong:
            value: Annotated[hint, Tag()]


def test_a_tag_of_an_item_of_a_list(domain: Domain) -> None:
    with refused("Wrong.values: Tag is only for a field with one value, not for a list"):

        @domain.event  # <- here
        class Wrong:
            values: tuple[Annotated[UUID, Tag()], ...]


def test_a_tag_without_its_parentheses(domain: Domain) -> None:
    with refused("Wrong.value: write the tag with parentheses: Tag()"):

        @domain.event  # <- here
        class Wrong:
            value: Annotated[UUID, Tag]


def test_a_tag_that_is_not_in_an_event(domain: Domain) -> None:
    with refused("Wrong.value: Tag is only for the fields of an event"):

        @domain.command  # <- here
        class Wrong:
            value: Annotated[UUID, Tag()]

    with refused("Row.value: Tag is only for the fields of an event"):

        @domain.projection("row", key="value")  # <- here
        class Row:
            value: Annotated[UUID, Tag()]


@dataclass(frozen=True)
class Inner:  # <- here
    value: Annotated[UUID, Tag()]


def test_a_tag_in_a_value_object(domain: Domain) -> None:
    with pytest.raises(Exception, match=r"Inner.value: Tag is only for the fields of an event"):

        @domain.event
        class Wrong:
            inner: Inner
