"""commander.testing: that it passes when it should, and above all that it fails when it should."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import (
    CommandContext,
    Deadline,
    DefinitionError,
    Domain,
    Gt,
    Later,
    ReactionRejected,
    Rejected,
)
from commander.testing import given, process, reactions, rows
from tests.domain.shop import Opened

shop = Domain("shop")
ITEM = UUID(int=1)
OTHER = UUID(int=2)


@shop.command
@dataclass(frozen=True)
class AddStock:
    item_id: UUID
    count: Annotated[int, Gt(0)]


@shop.command
@dataclass(frozen=True)
class Sell:
    item_id: UUID
    count: Annotated[int, Gt(0)]


@shop.command(internal=True)
@dataclass(frozen=True)
class Reorder:
    item_id: UUID


@shop.event
@dataclass(frozen=True)
class StockAdded:
    item_id: UUID
    count: int


@shop.event
@dataclass(frozen=True)
class Sold:
    item_id: UUID
    count: int
    at: datetime
    to: str | None


@shop.event
@dataclass(frozen=True)
class SoldOut:
    item_id: UUID


@shop.aggregate(key="item_id")
@dataclass(frozen=True)
class Item:
    stock: int = 0

    def add(self, command: AddStock) -> StockAdded:
        return StockAdded(command.item_id, command.count)

    def sell(self, command: Sell, context: CommandContext) -> Any:
        if command.count > self.stock:
            raise Rejected("OUT_OF_STOCK", f"{self.stock} left")
        yield Sold(command.item_id, command.count, context.now, context.actor)
        if command.count == self.stock:
            yield SoldOut(command.item_id)

    def reorder(self, command: Reorder) -> None:
        raise ZeroDivisionError("a bug")

    def added(self, event: StockAdded) -> Item:
        return replace(self, stock=self.stock + event.count)

    def sold(self, event: Sold) -> Item:
        return replace(self, stock=self.stock - event.count)

    def sold_out(self, event: SoldOut) -> Item:
        return self


@shop.projection("item", key="item_id")
@dataclass(frozen=True)
class ItemRow:
    item_id: UUID
    stock: int

    @classmethod
    def added(cls, event: StockAdded, row: ItemRow | None) -> ItemRow:
        return cls(event.item_id, event.count + (row.stock if row else 0))

    def sold_out(self, event: SoldOut) -> None:
        return None


@shop.reactor
class Clerk:
    def sold_out(self, event: SoldOut) -> Reorder:
        return Reorder(event.item_id)

    def refused(self, refusal: ReactionRejected[Reorder]) -> Reorder | None:
        return refusal.command if refusal.code == "LATER" else None


NOW = datetime(2030, 1, 1, tzinfo=UTC)
STOCKED = given(StockAdded(ITEM, 2), StockAdded(ITEM, 1))


def test_then_takes_the_events_in_order() -> None:
    given().when(AddStock(ITEM, 1)).then(StockAdded(ITEM, 1))
    STOCKED.when(Sell(ITEM, 3), now=NOW, actor="ada").then(Sold(ITEM, 3, NOW, "ada"), SoldOut(ITEM))


def test_the_history_is_folded() -> None:
    given(StockAdded(ITEM, 2), Sold(ITEM, 1, NOW, None)).when(Sell(ITEM, 2)).then(Rejected("OUT_OF_STOCK"))


def test_then_takes_a_rejection_by_code_and_by_message_where_one_is_given() -> None:
    decided = STOCKED.when(Sell(ITEM, 4))
    decided.then(Rejected("OUT_OF_STOCK"))
    decided.then(Rejected("OUT_OF_STOCK", "3 left"))


def test_then_invalid_takes_the_path_of_a_broken_constraint() -> None:
    given().when(AddStock(ITEM, 0)).then_invalid("count")


SOLD = Sold(ITEM, 1, datetime(2000, 1, 1, tzinfo=UTC), None)


@pytest.mark.parametrize(
    "expected",
    [
        (),
        (SoldOut(ITEM),),
        (SOLD, SoldOut(ITEM)),
        (SOLD, SOLD),
        (replace(SOLD, item_id=OTHER),),
        (Rejected("OUT_OF_STOCK"),),
        (SOLD, Rejected("OUT_OF_STOCK")),
        (AddStock(ITEM, 1),),
    ],
    ids=str,
)
def test_then_fails_when_other_events_happened(expected: tuple[Any, ...]) -> None:
    decided = STOCKED.when(Sell(ITEM, 1))
    decided.then(SOLD)
    with pytest.raises(AssertionError, match="expected"):
        decided.then(*expected)


@pytest.mark.parametrize(
    "expected", [(), (SOLD,), (Rejected("SOLD_OUT"),), (Rejected("OUT_OF_STOCK", "2 left"),)], ids=str
)
def test_then_fails_when_the_refusal_was_another_or_none_was_expected(expected: tuple[Any, ...]) -> None:
    with pytest.raises(AssertionError, match="expected"):
        STOCKED.when(Sell(ITEM, 4)).then(*expected)


def test_then_fails_when_the_input_was_invalid() -> None:
    decided = given().when(AddStock(ITEM, 0))
    for expected in (StockAdded(ITEM, 0), Rejected("OUT_OF_STOCK")):
        with pytest.raises(AssertionError, match="count: must be greater than 0"):
            decided.then(expected)
    with pytest.raises(AssertionError, match="count: must be greater than 0"):
        decided.then()


def test_then_invalid_fails_when_another_field_or_none_was_wrong() -> None:
    with pytest.raises(AssertionError, match="count: must be greater than 0"):
        given().when(AddStock(ITEM, 0)).then_invalid("item_id")
    with pytest.raises(AssertionError, match="expected invalid input"):
        given().when(AddStock(ITEM, 1)).then_invalid("count")
    with pytest.raises(AssertionError, match="expected invalid input"):
        STOCKED.when(Sell(ITEM, 4)).then_invalid("count")


def test_a_bug_in_a_decider_is_no_rejection() -> None:
    with pytest.raises(ZeroDivisionError):
        given().when(Reorder(ITEM))


def test_only_commands_are_sent() -> None:
    with pytest.raises(TypeError, match="StockAdded is an event; when\\(\\) takes a command"):
        given().when(StockAdded(ITEM, 1))
    with pytest.raises(TypeError, match="int is not an event or a command of a domain"):
        given().when(5)


def test_the_history_is_of_the_aggregate_that_decides() -> None:
    for foreign in (AddStock(ITEM, 1), Opened(ITEM)):
        with pytest.raises(TypeError, match="is not an event of the aggregate item"):
            given(foreign).when(AddStock(ITEM, 1))


def test_a_test_meets_what_loading_the_domain_would() -> None:
    unfinished = Domain("unfinished")

    @unfinished.command
    @dataclass(frozen=True)
    class Begin:
        item_id: UUID

    with pytest.raises(DefinitionError, match="no aggregate decides the command Begin"):
        given().when(Begin(ITEM))


def test_reactions_are_those_of_all_reactors_on_an_event_or_a_refusal() -> None:
    assert reactions(shop, SoldOut(ITEM)) == [Reorder(ITEM)]
    assert reactions(shop, ReactionRejected(Reorder(ITEM), "LATER", "")) == [Reorder(ITEM)]
    assert reactions(shop, ReactionRejected(Reorder(ITEM), "NEVER", "")) == []
    assert reactions(shop, StockAdded(ITEM, 1)) == []


def test_rows_are_the_fold_of_the_events_by_key() -> None:
    history = [StockAdded(ITEM, 2), SOLD, StockAdded(OTHER, 1), StockAdded(ITEM, 1)]
    assert rows(shop, "item", history) == {ITEM: ItemRow(ITEM, 3), OTHER: ItemRow(OTHER, 1)}
    assert rows(shop, "item", [*history, SoldOut(ITEM)]) == {OTHER: ItemRow(OTHER, 1)}
    with pytest.raises(LookupError):
        rows(shop, "item", [SoldOut(ITEM)])


shopping = Domain("shopping")


@shopping.command
@dataclass(frozen=True)
class Remind:
    basket: str


@shopping.event
@dataclass(frozen=True)
class Filled:
    basket: str | None


@shopping.event
@dataclass(frozen=True)
class Emptied:
    basket: str


@shopping.aggregate(key="basket")
@dataclass(frozen=True)
class Basket:
    def remind(self, command: Remind) -> None: ...

    def filled(self, event: Filled) -> Basket:
        return self

    def emptied(self, event: Emptied) -> Basket:
        return self


@shopping.process(key="basket", starts=(Filled,), ends=(Emptied,))
@dataclass(frozen=True)
class Reminding:
    times: int = 0

    def filled(self, event: Filled) -> tuple[Reminding, Remind, Deadline, Later]:
        basket = event.basket or ""
        unless = Deadline(Remind(f"{basket} unless"), after=timedelta(hours=1))
        anyway = Later(Remind(f"{basket} anyway"), after=timedelta(hours=2))
        return Reminding(self.times + 1), Remind(basket), unless, anyway


def test_a_process_is_given_what_happened_and_the_time_that_passed() -> None:
    begun = process(shopping, "reminding").given(Filled("a"))
    assert begun.when(timedelta(minutes=59)).commands == ()
    begun.when(timedelta(hours=1)).then(Remind("a unless"))
    begun.when(timedelta(hours=2)).then(Remind("a unless"), Remind("a anyway"))
    again = begun.given(timedelta(minutes=30), Filled("a"))
    again.when(timedelta(minutes=59)).then()
    again.when(timedelta(minutes=60)).then(Remind("a unless"))
    assert again.when(Filled("b")).then(Remind("b")).states == {"a": Reminding(2), "b": Reminding(1)}


def test_what_has_ended_reminds_of_nothing_but_what_comes_in_any_case() -> None:
    ended = process(shopping, "reminding").given(Filled("a"), Emptied("a"))
    ended.when(timedelta(days=1)).then(Remind("a anyway"))
    ended.when(timedelta(days=1)).then_ended()


def test_what_starts_nothing_and_whose_key_is_none_is_passed_over() -> None:
    for event in (Emptied("a"), Filled(None), ReactionRejected(Remind("a"), "NO", "")):
        process(shopping, "reminding").when(event).then().then_ended()


def test_a_process_that_does_something_else_fails_the_test_and_tells() -> None:
    reacted = process(shopping, "reminding").when(Filled("a"))
    with pytest.raises(AssertionError, match=r"expected \[\], got \[Remind\(basket='a'\)\]"):
        reacted.then()
    with pytest.raises(AssertionError, match=r"expected no state, got \{'a': Reminding\(times=1\)\}"):
        reacted.then_ended()
