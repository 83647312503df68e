"""Links in SQL: filters that follow them, pages and counts of the rows that refer to many rows at once."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from commander import Domain, Ref, touches
from commander.domain.filters import (
    EVERY_ROW,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Linked,
    Not,
    NotInMemory,
    Operator,
    Order,
    matches,
    projections_of,
)
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.queries import (
    RowPage,
    count_rows,
    counts_of,
    pages_of,
    rows_from,
    select_pages,
)
from commander.eventstore.projections.tables import Table
from tests.databases import Databases
from tests.drawing import examples

forest = Domain("forest")


@forest.event
@dataclass(frozen=True)
class Grown:
    number: int


@forest.projection("tree", key="number", indexes=("height", ("parent", "height")), filterable=("name",))
@dataclass(frozen=True)
class Tree:
    """Refers to itself, and perhaps to nothing; its columns have the names of those of the other table."""

    number: int
    parent: Annotated[int | None, Ref("tree", name="above", reverse="below")] = None
    owner: Annotated[str | None, Ref("owner", name="ownedBy")] = None
    name: str = ""
    height: int | None = None

    @classmethod
    def grown(cls, event: Grown) -> Tree:
        return cls(event.number)


@forest.projection("owner", key="name", filterable=("owner",))
@dataclass(frozen=True)
class Owner:
    name: str
    owner: int = 0

    @classmethod
    @touches(lambda event: ["a"])
    def grown(cls, event: Grown) -> Owner | None: ...


TREE, OWNER = Table(forest.projections["tree"]), Table(forest.projections["owner"])
TABLES = {"tree": TREE, "owner": OWNER}
OF_TREE = {field.name: field for field in TREE.projection.fields}
OF_OWNER = {field.name: field for field in OWNER.projection.fields}
BY_KEY = Order((OF_TREE["number"],))
NAMES = ["", "a", "b", "gone"]
numbers = st.integers(0, 7)
trees = st.lists(
    st.builds(
        Tree,
        numbers,
        st.none() | st.integers(0, 9),
        st.none() | st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.none() | st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda row: row.number,
)
owners = st.lists(
    st.builds(Owner, st.sampled_from(NAMES[:3]), st.integers(0, 2)),
    max_size=3,
    unique_by=lambda row: row.name,
)


def combined(plain: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    parts = st.lists(plain, max_size=2).map(tuple)
    return plain | parts.map(AllOf) | parts.map(AnyOf) | plain.map(Not)


plain_of_owner = combined(
    st.builds(
        Condition, st.just(OF_OWNER["owner"]), st.sampled_from([Operator.EQ, Operator.GT]), st.integers(0, 2)
    )
)
plain_of_tree = combined(
    st.builds(
        Condition, st.just(OF_TREE["height"]), st.sampled_from([Operator.EQ, Operator.NE]), st.integers(0, 2)
    )
    | st.builds(Condition, st.just(OF_TREE["name"]), st.just(Operator.EQ), st.sampled_from(NAMES))
)
to_owner = st.builds(
    Linked, st.just(OF_TREE["owner"]), st.just("owner"), st.just(OF_OWNER["name"]), plain_of_owner
)
to_tree = st.builds(
    Linked,
    st.just(OF_TREE["parent"]),
    st.just("tree"),
    st.just(OF_TREE["number"]),
    combined(plain_of_tree | to_owner),
)
filters = combined(plain_of_tree | to_owner | to_tree)
orders = st.sampled_from(
    [
        Order(fields, descending)
        for fields in TREE.projection.orders_of_link(OF_TREE["parent"])
        for descending in (False, True)
    ]
)
thorough = examples(75)


@pytest_asyncio.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    name = await databases.take()
    database = Database(databases.url(name))
    await ensure_tables(database, TABLES.values())
    yield database
    await database.close()
    databases.give_back(name)


async def store(database: Database, table: Table, rows: Sequence[Any]) -> None:
    async with database.connection() as connection:
        await connection.execute(f'delete from "{table.name}"')
        await connection.execute(table.upsert, *table.columns_of(list(rows)))


def holds(where: Filter, row: Any, known: dict[str, dict[Any, Any]]) -> bool:
    """What a filter says, by following its links in memory. known: the rows of each projection by key."""
    match where:
        case AllOf(parts):
            return all(holds(part, row, known) for part in parts)
        case AnyOf(parts):
            return any(holds(part, row, known) for part in parts)
        case Not(part):
            return not holds(part, row, known)
        case Linked(field, projection, _, part):
            other = known[projection].get(getattr(row, field.name))
            return other is not None and holds(part, other, known)
    return matches(where, row)


@thorough
@given(trees, owners, filters)
async def test_a_filter_follows_links_in_sql(
    database: Database, trees: list[Tree], owners: list[Owner], where: Filter
) -> None:
    await store(database, TREE, trees)
    await store(database, OWNER, owners)
    known: dict[str, dict[Any, Any]] = {
        "tree": {row.number: row for row in trees},
        "owner": {row.name: row for row in owners},
    }
    expected = sorted(row.number for row in trees if holds(where, row, known))
    found = await rows_from(database, TREE, where, BY_KEY, 100, tables=TABLES)
    assert [row.number for row in found] == expected
    assert await count_rows(database, TREE, where, TABLES) == len(expected)
    behind = await rows_from(database, TREE, where, BY_KEY, 100, (3,), tables=TABLES)
    assert [row.number for row in behind] == [number for number in expected if number > 3]


@thorough
@given(
    trees,
    filters,
    orders,
    st.integers(0, 3),
    st.none() | st.builds(Tree, numbers, height=st.none() | st.integers(0, 2)),
    st.booleans(),
)
async def test_the_pages_of_many_rows_are_those_of_each(
    database: Database,
    trees: list[Tree],
    where: Filter,
    order: Order,
    limit: int,
    at: Tree | None,
    inclusive: bool,
) -> None:
    await store(database, TREE, trees)
    behind = None if at is None else order.place_of(at)
    keys = [*range(10), 77]
    page = RowPage(where, order, limit, behind, inclusive and at is not None)
    found = await pages_of(database, TREE, OF_TREE["parent"], keys, page, 1000, TABLES)
    counted = await counts_of(database, TREE, OF_TREE["parent"], keys, where, TABLES)
    for key in keys:
        own = AllOf((Condition(OF_TREE["parent"], Operator.EQ, key), where))
        alone = await rows_from(
            database, TREE, own, order, limit, behind, inclusive=page.inclusive, tables=TABLES
        )
        assert found[key] == alone
        assert counted[key] == await count_rows(database, TREE, own, TABLES)
    most = max(1, sum(map(len, found.values())) - 1)
    fewer = await pages_of(database, TREE, OF_TREE["parent"], keys, page, most, TABLES)
    assert sum(map(len, fewer.values())) == min(most, sum(map(len, found.values())))


async def test_the_pages_of_many_rows_of_a_large_table_are_read_from_an_index(database: Database) -> None:
    dice = random.Random(1)
    await store(database, TREE, [Tree(n, n % 1000, height=dice.randrange(100)) for n in range(30_000)])
    await database.fetch(f'analyze "{TREE.name}"')
    for fields in TREE.projection.orders_of_link(OF_TREE["parent"]):
        for order in (Order(fields), Order(fields, descending=True)):
            for behind in (None, order.place_of(Tree(15_000, height=50))):
                page = RowPage(EVERY_ROW, order, 6, behind)
                sql, binds = select_pages(TREE, OF_TREE["parent"], list(range(50)), page, 1000)
                lines = await database.fetch(f"explain (analyze, costs off, timing off) {sql}", *binds)
                plan = "\n".join(line[0] for line in lines)
                assert "Seq Scan" not in plan, plan
                assert "Sort" not in plan or behind is not None, plan


def test_a_row_in_memory_does_not_show_what_its_link_leads_to() -> None:
    leads = Linked(OF_TREE["parent"], "tree", OF_TREE["number"], EVERY_ROW)
    with pytest.raises(NotInMemory, match="parent"):
        matches(AllOf((leads,)), Tree(1))
    deep = Linked(OF_TREE["owner"], "owner", OF_OWNER["name"], AnyOf((Not(leads),)))
    assert projections_of(deep) == {"owner", "tree"}
