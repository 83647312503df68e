"""Global ids name the same object for ever, and nothing else is an id."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import make_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from commander import BigInt, Domain
from commander.domain.errors import InvalidRequest
from commander.domain.projections import ProjectionType
from commander.eventstore.log.epochs import FIRST
from commander.examples.bank import bank
from commander.resolvers.node_ids import CommandId, EventId, RowId, command_id, event_id, read_id, row_id

ONE = UUID("6d1f6bb4-7e4f-4c55-9c6c-0f4ad4a30002")


class Size(Enum):
    SMALL = "small"


def keyed_by(type_: Any) -> ProjectionType:
    """A projection whose key has this type."""
    domain = Domain("keyed")
    Event: Any = domain.event(make_dataclass("Begun", [("key", type_)], frozen=True))

    def begun(cls: Any, event: Any) -> Any: ...

    begun.__annotations__["event"] = Event
    row = make_dataclass("Row", [("key", type_)], namespace={"begun": classmethod(begun)}, frozen=True)
    domain.projection("keyed_row", key="key")(row)
    return domain.projections["keyed_row"]


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_ids_are_those_of_the_first_release() -> None:
    """Clients store ids. A change of the form would make these ids name nothing."""
    row = SimpleNamespace(account_id=ONE)
    assert row_id(bank.projections["account"], row) == encoded(f"row:account:{ONE}")
    assert command_id(ONE) == encoded(f"command:{ONE}")
    assert event_id(710, FIRST) == encoded("event:710")


@pytest.mark.parametrize(
    ("type_", "key"),
    [
        pytest.param(UUID, ONE, id="UUID"),
        pytest.param(str, 'a:b "ü"\n', id="str"),
        pytest.param(str, "", id="empty str"),
        pytest.param(int, -7, id="int"),
        pytest.param(BigInt, 2**53 + 1, id="BigInt"),
        pytest.param(bool, True, id="bool"),
        pytest.param(float, 0.1, id="float"),
        pytest.param(Decimal, Decimal("1.50"), id="Decimal"),
        pytest.param(Size, Size.SMALL, id="enum"),
        pytest.param(datetime, datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC), id="datetime"),
        pytest.param(date, date(2030, 1, 2), id="date"),
        pytest.param(time, time(1, 2, 3), id="time"),
    ],
)
def test_an_id_of_a_row_gives_its_key_back(type_: Any, key: Any) -> None:
    projection = keyed_by(type_)
    id = row_id(projection, SimpleNamespace(key=key))
    assert set(id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert read_id("id", id, {"keyed_row": projection}) == RowId(projection, key)


def test_ids_of_commands_events_and_of_projections_that_are_gone_are_read() -> None:
    assert read_id("id", command_id(ONE), {}) == CommandId(ONE)
    assert read_id("id", event_id(710, FIRST), {}) == EventId(710, 1)
    assert read_id("id", encoded("event:2.710"), {}) == EventId(710, 2)
    assert read_id("id", encoded(f"row:gone:{ONE}"), bank.projections) == RowId(None, str(ONE))


def padded(id: str) -> str:
    return id + "=" * (-len(id) % 4) + "="


def broken(change: Callable[[str], str]) -> str:
    return change(command_id(ONE))


@pytest.mark.parametrize(
    "id",
    [
        pytest.param("", id="nothing"),
        pytest.param("x", id="one letter"),
        pytest.param(str(ONE), id="a UUID"),
        pytest.param("\N{SNOWMAN}", id="not ASCII"),
        pytest.param(broken(lambda id: id[:-3]), id="cut"),
        pytest.param(broken(padded), id="padded"),
        pytest.param(broken(lambda id: id + "\n"), id="a line end"),
        pytest.param(broken(lambda id: id[:4] + "!" + id[4:]), id="a letter that is dropped"),
        pytest.param(encoded(f"command:{str(ONE).upper()}"), id="another form of the UUID"),
        pytest.param(encoded(f"row:account:{ONE.hex}"), id="another form of the key"),
        pytest.param(encoded("row:account:x"), id="no key"),
        pytest.param(encoded("row:account"), id="without a key"),
        pytest.param(encoded("row::x"), id="without a projection"),
        pytest.param(encoded("event:0"), id="position 0"),
        pytest.param(encoded("event:007"), id="another form of the position"),
        pytest.param(encoded("event:9223372036854775808"), id="a position too large"),
        pytest.param(encoded("event:1.7"), id="the first epoch"),
        pytest.param(encoded("stream:x"), id="another kind"),
        pytest.param(urlsafe_b64encode(b"command:\xff").decode(), id="not UTF-8"),
    ],
)
def test_what_is_no_id_is_refused(id: str) -> None:
    with pytest.raises(InvalidRequest, match="is not an id of this API"):
        read_id("id", id, bank.projections)


def test_a_key_that_is_nested_too_deep_is_no_id() -> None:
    projections = {"keyed_row": keyed_by(int)}
    with pytest.raises(InvalidRequest, match="is not an id of this API"):
        read_id("id", encoded("row:keyed_row:" + "[" * 100_000), projections)


def test_an_id_is_url_safe_without_padding() -> None:
    id = command_id(ONE)
    assert "=" not in id
    assert urlsafe_b64decode(id + "=" * (-len(id) % 4)).decode() == f"command:{ONE}"
