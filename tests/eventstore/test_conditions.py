"""Conditions of an append: what decisions rest on is held, and the indexes of the log move with it."""

from __future__ import annotations

from typing import Any

import pytest

from commander.eventstore.database import Database
from commander.eventstore.log import event_log
from commander.eventstore.log.conditions import Change, Conditions
from commander.eventstore.log.event_log import (
    Append,
    Appended,
    ConditionsBroken,
    IndexNotKept,
    head_position,
)
from commander.eventstore.log.indexes import (
    IndexDropped,
    activate,
    add_tags,
    begin_index,
    drop_index,
    holders_of,
    replace_keys,
)
from commander.eventstore.records import Decision
from tests.eventstore.decisions import decision


@pytest.mark.parametrize("at_most", [1, 10**9], ids=["in two parts", "at once"])
async def test_what_decisions_rest_on_is_held_and_the_indexes_move(
    database: Database, monkeypatch: pytest.MonkeyPatch, at_most: int
) -> None:
    monkeypatch.setattr(event_log, "_MAX_STATEMENT", at_most)
    one, other = decision("account-1", 0, 2), decision("account-2", 0)
    async with database.connection() as connection:
        index = await begin_index(connection, "unique account.email", "code")
        await activate(connection, index)
        key, value = (index.id, '["a"]'), (index.id, "Opened n:1")

        async def stored(*decisions: Decision, **held: Any) -> Appended:
            return await Append(decisions, None, Conditions((index.id,), **held)).run(connection)

        tagged = [(index.id, "Opened n:1", 2), (index.id, "Opened n:2", 3)]
        change = {key: Change(None, "account-1")}
        await stored(one, other, streams={"account-1": 0, "account-9": 0}, keys=change, tagged=tagged)
        assert await holders_of(connection, [key]) == {key: "account-1"}
        rows = await connection.fetch("select value, position from event_tags order by position")
        assert [tuple(row) for row in rows] == [("Opened n:1", 2), ("Opened n:2", 3)]
        for broken in (
            {"streams": {"account-2": 0}},
            {"streams": {"account-9": 1}},
            {"keys": {key: Change(None, "account-3")}},
            {"keys": {key: Change("account-2", "account-3")}},
            {"tags": {value: 1}},
        ):
            with pytest.raises(ConditionsBroken):
                await stored(decision("account-3", 0), decision("account-4", 0), **broken)
        released = {key: Change("account-1", None)}
        await stored(decision("account-3", 0), streams={"account-1": 2}, keys=released, tags={value: 2})
        assert await holders_of(connection, [key]) == {}
    assert await head_position(database) == 4


async def test_an_index_that_was_dropped_is_not_kept_up_and_its_rows_go(database: Database) -> None:
    async with database.connection() as connection:
        index = await begin_index(connection, "unique account.phone", "code")
        await activate(connection, index)
        conditions = Conditions(
            (index.id,), keys={(index.id, '["1"]'): Change(None, "account-7")}, tagged=[(index.id, "t", 1)]
        )
        await Append([decision("account-7", 0)], None, conditions).run(connection)
        assert await drop_index(connection, index.name)
        with pytest.raises(IndexNotKept, match="has been dropped"):
            await Append([decision("account-8", 0)], None, Conditions((index.id,))).run(connection)
        for table in ("unique_keys", "event_tags"):
            query = f"select count(*) from {table} where index_id = $1"
            assert await connection.fetchval(query, index.id) == 0
        with pytest.raises(IndexDropped):
            await replace_keys(connection, index.id, {"account-7": ['["1"]']}, 1)
        with pytest.raises(IndexDropped):
            await add_tags(connection, index.id, [("t", 1)], 1)
