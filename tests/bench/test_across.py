"""What bench/across measures, and that its audits find what breaks a rule."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest

from bench.across.auditing import audit_addresses, audit_seats, audit_transfers
from bench.across.domain.accounts import Moved, Opened, Transfer
from bench.across.domain.concerts import Hold, SeatHeld
from bench.across.queues import Slice, between
from bench.across.variants import DOMAIN
from bench.audit import BrokenInvariant
from bench.scaling.queues import Commit
from commander.eventstore.database import Database
from commander.testing import given

ADA, BEN, MAY = (UUID(int=n) for n in (1, 2, 3))
Event = tuple[str, int, str, dict[str, Any]]
"""Its stream, version, type and data."""


def loaded(monkeypatch: pytest.MonkeyPatch, unique: str) -> ModuleType:
    """The domain of members, as a process with this variable loads it."""
    monkeypatch.setenv("BENCH_UNIQUE", unique)
    spec = importlib.util.spec_from_file_location("members", DOMAIN / "members.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "members", module)
    spec.loader.exec_module(module)
    return module


def test_addresses_are_unique_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [*loaded(monkeypatch, "1").members.unique_rules] == ["member.email"]
    assert [*loaded(monkeypatch, "").members.unique_rules] == []


def test_a_transfer_has_the_balances_of_both_accounts() -> None:
    opened = Opened(ADA, 500, 500), Opened(BEN, 7, 7)
    given(*opened).when(Transfer(ADA, BEN, 100)).then(Moved(ADA, -100, 400), Moved(BEN, 100, 107))


def test_a_seat_has_the_number_that_the_model_has_counted() -> None:
    given(SeatHeld(ADA, MAY, 1)).when(Hold(BEN, MAY)).then(SeatHeld(BEN, MAY, 2))


def test_a_slice_is_timed_from_its_first_commit_to_its_last() -> None:
    found = [Commit(1.0, 100), Commit(2.0, 30), Commit(3.0, 20), Commit(3.5, 10), Commit(9.0, 100)]
    assert between(found, Slice(1.5, 4.0, 0.1)) == (30, 1.5)


async def store(database: Database, *events: Event, of_one: bool = False) -> None:
    """of_one: they are of one command."""
    command = uuid4()
    for stream, version, type_, data in events:
        await database.fetch(
            """insert into events (position, stream, version, type, schema_version, data,
                                   command_id, correlation_id, recorded_at)
               select coalesce(max(position), 0) + 1, $1, $2, $3, 1, $4, $5, $5, now() from events""",
            *(stream, version, type_, json.dumps(data), command if of_one else uuid4()),
        )


async def refused(audit: Callable[[], Awaitable[None]], *words: str) -> None:
    with pytest.raises(BrokenInvariant) as raised:
        await audit()
    assert all(word in str(raised.value) for word in words)


def address(member: str, version: int, email: str) -> Event:
    return (member, version, "Registered", {"email": email})


async def test_two_members_with_one_address_are_found(database: Database) -> None:
    await store(database, address("a", 1, "x"), address("b", 1, "y"), address("a", 2, "y"))
    await refused(lambda: audit_addresses(database, indexed=False), "1 addresses")


async def test_an_address_that_was_given_up_may_be_of_another(database: Database) -> None:
    await store(database, address("a", 1, "x"), address("a", 2, "y"), address("b", 1, "x"))
    await audit_addresses(database, indexed=False)
    await refused(lambda: audit_addresses(database, indexed=True), "2 keys")


async def test_each_member_holds_the_key_of_its_address_and_no_other(database: Database) -> None:
    await store(database, address("a", 1, "x"))
    index = await database.fetchval(
        "insert into log_indexes (name, fingerprint, active) values ('Member.email', '', true) returning id"
    )
    await database.fetch("insert into unique_keys values ($1, $2, 'a')", index, '["x"]')
    await audit_addresses(database, indexed=True)
    await database.fetch("insert into unique_keys values ($1, $2, 'a')", index, '["y"]')
    await refused(lambda: audit_addresses(database, indexed=True), "1 keys")


def moved(account: str, version: int, cents: int, balance: int) -> Event:
    return (account, version, "Moved", {"cents": cents, "balance": balance})


async def test_a_transfer_between_two_is_sound(database: Database) -> None:
    await store(database, moved("a", 1, -5, -5), moved("b", 1, 5, 5), of_one=True)
    await audit_transfers(database, 0, 1)
    await refused(lambda: audit_transfers(database, 0, 2), "2 transfers", "1 are")
    await refused(lambda: audit_transfers(database, 1, 1), "0 cents", "had 1")


async def test_a_decision_on_an_older_balance_is_found(database: Database) -> None:
    await store(database, moved("a", 1, 5, 5), moved("a", 2, -5, -5), moved("b", 1, 5, 5))
    await refused(lambda: audit_transfers(database, 5, 2), "1 events")


async def test_half_a_transfer_is_found(database: Database) -> None:
    await store(database, moved("a", 1, 5, 5))
    await refused(lambda: audit_transfers(database, 5, 1), "1 transfers")


def seat(guest: str, number: int) -> Event:
    return (guest, 1, "SeatHeld", {"concert_id": "may", "number": number})


async def test_a_number_that_two_seats_have_is_found(database: Database) -> None:
    await store(database, seat("a", 1), seat("b", 2))
    await audit_seats(database, 2)
    await refused(lambda: audit_seats(database, 3), "3 seats")
    await store(database, seat("c", 2))
    await refused(lambda: audit_seats(database, 3), "1 concerts")
