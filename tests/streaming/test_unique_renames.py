"""A unique key goes on, or is given up, as the code says: renamed, removed, under a renamed aggregate."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from commander import Domain, Unique
from commander.parts.stored_names import compare_names
from tests.streaming.conftest import Bank, running
from tests.streaming.test_indexing import keys

ADA, BOB, CY = (UUID(int=n) for n in (1, 2, 3))


def club(unique: Sequence[str | Unique] = ("email",)) -> Domain:
    domain = Domain("club")

    @domain.event
    @dataclass(frozen=True)
    class Joined:
        member_id: UUID
        email: str

    @domain.command
    @dataclass(frozen=True)
    class Join:
        member_id: UUID
        email: str

    @domain.aggregate(key="member_id", unique=unique)
    @dataclass(frozen=True)
    class Member:
        email: str | None = None

        def join(self, command: Join) -> Joined:
            return Joined(command.member_id, command.email)

        def joined(self, event: Joined) -> "Member":
            return replace(self, email=event.email)

    return domain


def renamed_club(unique: Sequence[str | Unique], was: Sequence[str] = ("member",)) -> Domain:
    """The aggregate and the field of its state have new names."""
    domain = Domain("club")

    @domain.event
    @dataclass(frozen=True)
    class Joined:
        member_id: UUID
        email: str

    @domain.command
    @dataclass(frozen=True)
    class Join:
        member_id: UUID
        email: str

    @domain.aggregate(key="member_id", unique=unique, was=was)
    @dataclass(frozen=True)
    class Person:
        mail: str | None = None

        def join(self, command: Join) -> Joined:
            return Joined(command.member_id, command.email)

        def joined(self, event: Joined) -> "Person":
            return replace(self, mail=event.email)

    return domain


SAME_KEY = (Unique("mail", name="email"),)


async def joined(servers: Bank, domain: Domain, member: UUID, email: str) -> str | None:
    """The code with which it was rejected; None if it was applied."""
    command = domain.commands["Join"].cls(member, email)
    return (await servers.outcome(await servers.submit(command, domain))).code


async def until_kept(servers: Bank, domain: Domain) -> None:
    """Until the active index is that of this code."""
    [rule] = domain.unique_rules.values()
    async with asyncio.timeout(30):
        while await servers.database.fetchval(
            "select fingerprint from log_indexes where active"
        ) != domain.fingerprint_of_rule(rule):
            await asyncio.sleep(0.02)


async def until_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(30):
        while text not in caplog.text:
            await asyncio.sleep(0.02)


async def test_under_new_names_of_aggregate_and_field_each_stream_holds_its_key(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = club(), renamed_club(SAME_KEY)
    async with running(servers.processor(old).run()):
        assert [await joined(servers, old, ADA, "a"), await joined(servers, old, BOB, "b")] == [None, None]
    held = {
        ("unique member.email", '["a"]', f"member-{ADA}"),
        ("unique member.email", '["b"]', f"member-{BOB}"),
    }
    for domain in (new, old):
        with caplog.at_level(logging.WARNING, logger="commander.names"):
            await compare_names(servers.database, domain, "processor")
        async with running(servers.processor(domain).run()):
            assert await joined(servers, domain, CY, "a") == "NOT_UNIQUE"
            assert await joined(servers, domain, ADA, "a") is None
        assert await keys(servers.database) == held
    assert caplog.messages == []
    assert await servers.database.fetchval("select count(*) from log_indexes") == 1


@pytest.mark.parametrize("unique", [(), ("mail",)])
async def test_a_unique_key_that_the_code_does_not_have_is_named_at_the_start_and_kept_until_it_is_retired(
    servers: Bank, caplog: pytest.LogCaptureFixture, unique: tuple[str, ...]
) -> None:
    old, new = club(), renamed_club(unique)
    async with running(servers.processor(old).run()):
        assert await joined(servers, old, ADA, "a") is None
    with caplog.at_level(logging.WARNING, logger="commander.names"):
        await compare_names(servers.database, new, "api")
        assert caplog.messages == []
        await compare_names(servers.database, new, "processor")
    [sentence] = caplog.messages
    assert "keys of the unique key member.email are stored" in sentence
    assert 'club.retired(unique_keys=("member.email",))' in sentence
    assert 'Unique(…, name="email")' in sentence
    async with running(servers.processor(new).run()):
        await until_logged(caplog, "other code has switched unique member.email on")
    assert "unique member.email" in {name for name, _, _ in await keys(servers.database)}

    new.retired(unique_keys=("member.email",))
    caplog.clear()
    await compare_names(servers.database, new, "processor")
    assert caplog.messages == []
    async with running(servers.processor(old).run()):
        assert await joined(servers, old, BOB, "b") is None
        async with running(servers.processor(new).run()):
            await until_logged(caplog, "unique member.email is retired, and processors")
        assert await joined(servers, old, CY, "b") == "NOT_UNIQUE"
    async with running(servers.processor(new).run()):
        assert await joined(servers, new, CY, "b") == ("NOT_UNIQUE" if unique else None)
    assert {name for name, _, _ in await keys(servers.database)} == (
        {"unique member.mail"} if unique else set()
    )


async def test_newer_code_keeps_an_index_that_it_derives_in_another_way_for_as_long_as_it_runs(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = club(), renamed_club(SAME_KEY)
    async with running(servers.processor(old).run()):
        assert await joined(servers, old, ADA, "a") is None
        async with running(servers.processor(new).run()):
            await until_kept(servers, new)
            assert await joined(servers, old, BOB, "a") == "NOT_UNIQUE"
            await until_logged(caplog, "newer code runs, and keeps up unique member.email in another way")
            assert await joined(servers, old, BOB, "a") == "NOT_UNIQUE"
            await until_kept(servers, new)
        assert await joined(servers, old, BOB, "a") == "NOT_UNIQUE"  # the new code was a mistake
        await until_kept(servers, old)
    assert await servers.database.fetchval("select count(*) from log_indexes") == 1
