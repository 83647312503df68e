"""The identity of a system: made once with its database; its name is recorded at the first start."""

from __future__ import annotations

import asyncio

import pytest

from commander.eventstore.database import Database
from commander.eventstore.log.identity import AnotherName, identity_of, settle_identity


async def test_the_first_start_records_the_name_and_all_others_find_it(database: Database) -> None:
    assert await identity_of(database) is None
    found = await asyncio.gather(*(settle_identity(database, None, "bank") for _ in range(8)))
    assert len(set(found)) == 1
    assert found[0].name == "bank"
    assert await settle_identity(database, "bank", "shop") == await identity_of(database) == found[0]


async def test_two_databases_have_two_identities(database: Database, other: Database) -> None:
    one, two = [await settle_identity(each, None, "bank") for each in (database, other)]
    assert one.id != two.id


@pytest.mark.parametrize(("given", "default"), [("shop", "bank"), (None, "shop")])
async def test_a_process_of_another_name_is_refused(
    database: Database, given: str | None, default: str
) -> None:
    first = await settle_identity(database, None, "bank")
    with pytest.raises(AnotherName, match="belongs to the system bank, and this process to shop") as refused:
        await settle_identity(database, given, default)
    assert "set COMMANDER_SYSTEM=bank" in str(refused.value)
    assert await identity_of(database) == first


async def test_a_system_that_is_older_than_names_keeps_none(database: Database) -> None:
    await database.fetch("update system_identity set name = ''")  # as the migration does in an older database
    assert (await settle_identity(database, None, "bank")).name == ""
    with pytest.raises(AnotherName, match=r"COMMANDER_SYSTEM is bank, but .*Unset COMMANDER_SYSTEM"):
        await settle_identity(database, "bank", "bank")
