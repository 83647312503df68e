"""Pages of a list, walked both ways: what a client gets is what the whole list says it should get."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.domain.errors import InvalidRequest
from commander.domain.filters import EVERY_ROW, Condition, Filter, Not, Operator, matches
from commander.examples.bank.projections import AccountRow
from commander.resolvers import projections as resolving
from commander.resolvers.events import Answer, Page
from commander.resolvers.projections import Listing
from commander.resolvers.services import Services
from tests.drawing import examples
from tests.resolvers.rows import store

BALANCES = [Decimal(n) for n in (0, 0, 0, 1, 2, 10)]
rows_of_accounts = st.lists(st.sampled_from(BALANCES), max_size=9).map(
    lambda balances: [AccountRow(UUID(int=n), "Ada", balance) for n, balance in enumerate(balances, 1)]
)
directions = st.sampled_from([(), (("balance", False),), (("balance", True),), (("account_id", True),)])
sizes = st.none() | st.integers(0, 10)
# A cursor may be of a row that the filter leaves out, or that is gone by now.
cursor_rows = st.none() | st.builds(
    AccountRow, st.integers(0, 11).map(lambda n: UUID(int=n)), st.just("Ada"), st.sampled_from(BALANCES)
)


async def known(answer: Answer) -> bool:
    return answer if isinstance(answer, bool) else await answer()


def listing_of(services: Services, where: Filter, columns: Sequence[tuple[str, bool]]) -> Listing:
    table = services.tables["account"]
    return Listing("accounts", table, where, resolving.order_of(table.projection.orders, columns))


async def page(
    services: Services,
    listing: Listing,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Page[AccountRow]:
    walk = resolving.walk_of(services, listing, first, after, last, before)
    return await resolving.page(walk, resolving.reading(services, listing))


@examples(300)
@given(rows_of_accounts, directions, st.booleans(), st.booleans(), sizes, cursor_rows, cursor_rows)
async def test_a_page_is_the_part_of_the_list_that_was_asked_for_and_knows_what_lies_around_it(
    services: Services,
    rows: list[AccountRow],
    columns: tuple[tuple[str, bool], ...],
    rich: bool,
    forward: bool,
    size: int | None,
    after: AccountRow | None,
    before: AccountRow | None,
) -> None:
    await store(services, "account", rows)
    balance = services.tables["account"].projection.field("balance")
    where: Filter = Condition(balance, Operator.GTE, Decimal(1)) if rich else EVERY_ROW
    listing = listing_of(services, where, columns)
    cursors: dict[str, Any] = {
        name: listing.cursor_of(row) for name, row in (("after", after), ("before", before)) if row
    }
    if forward:
        found = await page(services, listing, first=size, **cursors)
    else:
        size = 50 if size is None else size
        found = await page(services, listing, last=size, **cursors)

    column, descending = columns[0] if columns else ("account_id", False)
    whole = sorted(
        (row for row in rows if matches(where, row)),
        key=lambda row: (getattr(row, column), row.account_id),
        reverse=descending,
    )
    place = listing.order.place_of
    within = [
        row
        for row in whole
        if (after is None or listing.order.is_before(place(after), place(row)))
        and (before is None or listing.order.is_before(place(row), place(before)))
    ]
    size = 50 if size is None else size
    expected = within[:size] if forward else within[max(0, len(within) - size) :]
    assert found.items == expected
    if expected:
        assert await known(found.earlier) == (whole[0] != expected[0])
        assert await known(found.more) == (whole[-1] != expected[-1])
    assert await resolving.total(services, listing) == len(whole)


async def test_the_pages_from_either_end_are_the_whole_list(services: Services) -> None:
    rows = [AccountRow(UUID(int=n), "Ada", Decimal(n % 3)) for n in range(1, 26)]
    await store(services, "account", rows)
    for columns in ((), (("balance", False),), (("balance", True),)):
        listing = listing_of(services, EVERY_ROW, columns)
        whole = (await page(services, listing, first=100)).items
        for size in (1, 4):
            forwards: list[AccountRow] = []
            found = await page(services, listing, first=size)
            while True:
                assert await known(found.earlier) is bool(forwards)
                forwards += found.items
                if not await known(found.more):
                    break
                found = await page(services, listing, first=size, after=listing.cursor_of(found.items[-1]))
            backwards: list[AccountRow] = []
            found = await page(services, listing, last=size)
            while True:
                assert await known(found.more) is bool(backwards)
                backwards = found.items + backwards
                if not await known(found.earlier):
                    break
                found = await page(services, listing, last=size, before=listing.cursor_of(found.items[0]))
            assert forwards == backwards == whole
        assert sorted(whole, key=lambda row: row.account_id) == rows


async def test_a_cursor_holds_under_another_filter(services: Services) -> None:
    rows = [AccountRow(UUID(int=n), "Ada", Decimal(n % 2)) for n in range(1, 7)]
    await store(services, "account", rows)
    table = services.tables["account"]
    key = Condition(table.projection.key_field, Operator.EQ, UUID(int=5))
    cursor = listing_of(services, EVERY_ROW, ()).cursor_of(rows[2])
    found = await page(services, listing_of(services, Not(key), ()), first=2, after=cursor)
    assert [row.account_id.int for row in found.items] == [4, 6]


@pytest.mark.parametrize(
    ("asked", "argument", "message"),
    [
        ({"first": 501}, "first", "must be from 0 to 500, got 501"),
        ({"first": -1}, "first", "must be from 0 to 500, got -1"),
        ({"last": 501}, "last", "must be from 0 to 500, got 501"),
        ({"last": -1}, "last", "must be from 0 to 500, got -1"),
        ({"first": 1, "last": 1}, "last", "give first or last, not both"),
        ({"first": 1, "before": "x"}, "before", "'x' is not a cursor of accounts"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    services: Services, asked: dict[str, object], argument: str, message: str
) -> None:
    given = {"first": None, "after": None, "last": None, "before": None, **asked}
    with pytest.raises(InvalidRequest) as refused:
        resolving.walk_of(services, listing_of(services, EVERY_ROW, ()), **given)  # type: ignore[arg-type]
    assert refused.value.argument == argument
    assert str(refused.value) == f"{argument}: {message}"


async def test_an_order_that_no_index_has_is_refused_with_those_there_are(services: Services) -> None:
    there_are = "the indexes are: accountId; owner; balance"
    for columns in (
        [("closed", False)],
        [("owner", False), ("balance", False)],
        [("owner", True), ("owner", True)],
        [("account_id", False), ("owner", False)],
    ):
        with pytest.raises(InvalidRequest, match=f"orderBy: no index has this order; {there_are}"):
            listing_of(services, EVERY_ROW, columns)
    with pytest.raises(InvalidRequest, match="orderBy: all columns must have the same direction"):
        listing_of(services, EVERY_ROW, [("owner", True), ("account_id", False)])
    both = listing_of(services, EVERY_ROW, [("owner", True), ("account_id", True)])
    assert both.order == listing_of(services, EVERY_ROW, [("owner", True)]).order
