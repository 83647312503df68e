"""Which projections can be asked how they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from commander import BigInt, Domain
from commander.domain.time_travel import aggregate_behind, key_of_row, stream_of_row
from commander.examples.bank import bank


def made_of(name: str, **fields: Any) -> Any:
    """A class with these annotated fields."""
    return dataclass(frozen=True)(type(name, (), {"__annotations__": fields}))


def method(takes: Any) -> Any:
    def handle(self: Any, message: Any) -> Any: ...

    handle.__annotations__["message"] = takes
    return handle


def shop(
    key: str, of: Any = UUID, *, row_key: str | None = None, row_of: Any = UUID, foreign: bool = False
) -> Domain:
    """A domain with a projection of rows by `row_key`. foreign: one of its events is of another aggregate."""
    domain, row_key = Domain("shop"), row_key or key
    sell, move = (domain.command(made_of(name, **{key: of})) for name in ("Sell", "Move"))
    sold, moved = (domain.event(made_of(name, **{row_key: row_of})) for name in ("Sold", "Moved"))
    own, others = {"a": sell, "b": sold}, {"c": move, "d": moved}
    for name, takes in {"Item": own, "Place": others}.items() if foreign else {"Item": own | others}.items():
        handlers = {name: method(type_) for name, type_ in takes.items()}
        domain.aggregate(key=key)(dataclass(frozen=True)(type(name, (), handlers)))
    row = {"__annotations__": {row_key: row_of}, "b": method(sold), "d": method(moved)}
    domain.projection("row", key=row_key)(dataclass(frozen=True)(type("Row", (), row)))
    domain.check()
    return domain


def test_a_projection_by_the_key_of_the_aggregate_of_all_its_events_can() -> None:
    domain = shop("item_id")
    assert aggregate_behind(domain, domain.projections["row"]) is domain.aggregates["item"]
    assert stream_of_row(domain.aggregates["item"], UUID(int=1)) == f"item-{UUID(int=1)}"
    for name, aggregate in (("account", "account"), ("transfer", "transfer")):
        assert aggregate_behind(bank, bank.projections[name]) is bank.aggregates[aggregate]


@pytest.mark.parametrize(
    ("of", "key"),
    [
        (UUID, UUID(int=7)),
        (str, "a-b-"),
        (str, ""),
        (int, -7),
        (BigInt, 2**60),
        (date, date(2030, 1, 31)),
    ],
    ids=range(6),
)
def test_the_key_of_a_row_is_read_from_its_stream(of: Any, key: Any) -> None:
    domain = shop("item_id", of, row_of=of)
    aggregate = aggregate_behind(domain, domain.projections["row"])
    assert aggregate is not None
    read = key_of_row(domain.projections["row"], stream_of_row(aggregate, key))
    assert (read, type(read)) == (key, type(key))


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param(lambda: shop("item_id", foreign=True), id="events of two aggregates"),
        pytest.param(lambda: shop("item_id", row_key="owner_id"), id="another key"),
        pytest.param(lambda: shop("item_id", str), id="a key of another type"),
        pytest.param(lambda: shop("as_of"), id="a key called as the argument"),
    ],
)
def test_one_whose_rows_come_from_elsewhere_cannot(domain: Any) -> None:
    made = domain()
    assert aggregate_behind(made, made.projections["row"]) is None
