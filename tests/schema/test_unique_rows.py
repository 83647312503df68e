"""A row by a unique key: the row of the stream that has the key now, for those who see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from commander import BigInt
from commander.domain import Domain, Viewer
from commander.eventstore.database import Database
from commander.eventstore.projections.tables import Table
from commander.resolvers.services import Services
from commander.resolvers.unique_rows import KeyedRow
from commander.schema.context import Context
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from tests.schema.built import schema_of
from tests.schema.club import ChangeAddress, Country, Invite, Join, club
from tests.schema.test_batching import assert_the_same_alone_and_together
from tests.schema.test_projections import statements
from tests.streaming.conftest import Bank, running

ADA, BEN, CY = (UUID(int=n) for n in (1, 2, 3))
CLERK = Viewer("clara", frozenset({"clerk"}))
BY_EMAIL = "query ($email: String!) { memberByEmail(email: $email) { memberId } }"


def join(key: UUID, name: str, number: int, beyond: int = 0) -> Join:
    born, entered = date(2000, 1, 1), datetime(2020, 1, number, tzinfo=UTC)
    rest = BigInt(beyond + number), f"b{number}", born, Decimal("10.5"), entered
    return Join(key, name, f"{name}@x", Country.ITALY, *rest)


@pytest_asyncio.fixture
async def members(services: Services, database_url: str) -> AsyncIterator[Services]:
    """The services of the club's API, with one connection to read through."""
    tables = {name: Table(projection) for name, projection in club.projections.items()}
    progress = ProjectionProgress(services.nats, services.database, tables)
    await progress.start()
    own = Database(database_url, max_connections=1)
    yield replace(services, domain=club, tables=tables, progress=progress, database=own)
    await own.close()


@asynccontextmanager
async def deciding(servers: Bank, domain: Domain = club) -> AsyncIterator[None]:
    projectors = Projectors(domain, servers.database, servers.nats)
    async with running(servers.processor(domain).run()), running(projectors.run()):
        yield


async def sent(servers: Bank, *commands: object) -> str:
    """The position of the last one's event."""
    for command in commands:
        outcome = await servers.outcome(await servers.submit(command, club))
        assert outcome.code is None, outcome
    return str(outcome.position)


async def executed(services: Services, document: str, viewer: Viewer | None = None, **variables: Any) -> Any:
    rights = None if viewer is None else club.rights(viewer, frozenset({"operator"}))
    return await schema_of(club).execute(document, variables, Context(services, rights=rights))


async def data(
    services: Services, document: str, viewer: Viewer | None = None, **given: Any
) -> dict[str, Any]:
    result = await executed(services, document, viewer, **given)
    assert result.errors is None, result.errors
    found: dict[str, Any] = result.data
    return found


async def test_a_row_is_found_by_the_key_that_its_stream_has_now(members: Services, servers: Bank) -> None:
    document = """query ($email: String!, $atLeast: Position) {
        memberByEmail(email: $email, atLeast: $atLeast, timeoutMs: 20000) { memberId email }
        mailAddressByEmail(email: $email, atLeast: $atLeast, timeoutMs: 20000) { memberId } }"""

    async def holder(email: str, at_least: str) -> UUID | None:
        found = await data(members, document, email=email, atLeast=at_least)
        member, address = found["memberByEmail"], found["mailAddressByEmail"]
        assert (member and member["memberId"]) == (address and address["memberId"])
        return member and UUID(member["memberId"])

    async with deciding(servers):
        at = await sent(servers, join(ADA, "ada", 1), join(BEN, "ben", 2))
        assert await holder("ADA@x", at) == ADA, "as the rule normalises it"
        assert await holder("ben@x", at) == BEN
        assert await holder("cy@x", at) is None
        at = await sent(servers, ChangeAddress(ADA, "new@x"), ChangeAddress(BEN, "ada@X"))
        assert [await holder(email, at) for email in ("ada@x", "new@x", "ben@x")] == [BEN, ADA, None]
        at = await sent(servers, ChangeAddress(BEN, None))
        assert await holder("ada@x", at) is None
        at = await sent(servers, Invite(CY, "ada@x"))
        found = await data(members, f'{{ guestByEmail(email: "ada@x", atLeast: "{at}") {{ memberId }} }}')
        assert found == {"guestByEmail": {"memberId": str(CY)}}, "the keys of another aggregate are others"


async def test_equal_values_are_one_key(members: Services, servers: Bank) -> None:
    details = """query ($fee: Decimal!, $entered: DateTime!, $born: Date! = "2000-01-01") {
        memberByDetails(born: $born, fee: $fee, entered: $entered) { memberId } }"""
    number = '{ memberByCountryNumber(country: %s, number: "%s") { memberId } }'
    async with deciding(servers):
        at = await sent(servers, join(ADA, "ada", 1, beyond=2**62), join(BEN, "ben", 2))
        await data(members, f'{{ members(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
    for fee, entered in (("10.5", "2020-01-01T00:00:00Z"), ("10.50", "2020-01-01T02:00:00+02:00")):
        found = await data(members, details, fee=fee, entered=entered)
        assert found == {"memberByDetails": {"memberId": str(ADA)}}
    found = await data(members, details, fee="10.51", entered="2020-01-01T00:00:00Z")
    assert found == {"memberByDetails": None}
    for country, key in (("ITALY", str(ADA)), ("DENMARK", None)):
        member = (await data(members, number % (country, 2**62 + 1)))["memberByCountryNumber"]
        assert (member and member["memberId"]) == key


@pytest.mark.parametrize("email", ["a\0b@x", "\ud800@x", "no address"])
async def test_a_value_that_no_state_can_have_is_of_no_row(
    members: Services, servers: Bank, email: str
) -> None:
    async with deciding(servers):
        await sent(servers, join(ADA, "ada", 1))
        assert await data(members, BY_EMAIL, email=email) == {"memberByEmail": None}


async def test_a_row_that_the_viewer_does_not_see_is_as_no_row(members: Services, servers: Bank) -> None:
    async with deciding(servers):
        at = await sent(servers, join(ADA, "ada", 1), join(BEN, "ben", 2))
        await data(members, f'{{ members(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
    asked: dict[str, Any] = {}
    for viewer in (CLERK, Viewer("ada"), Viewer("ben")):
        await data(members, BY_EMAIL, viewer, email="ada@x")  # the driver asks about types
        seen = await data(members, BY_EMAIL, viewer, email="ada@x")
        expected = {"memberId": str(ADA)} if viewer.subject != "ben" else None
        assert seen == {"memberByEmail": expected}, viewer
    for email in ("ada@x", "nobody@x"):
        async with statements(members) as asked[email]:
            assert await data(members, BY_EMAIL, Viewer("ben"), email=email) == {"memberByEmail": None}
    assert asked["ada@x"] == asked["nobody@x"]
    assert len(asked["ada@x"]) == 2, "whether a stream has the key is not to be seen by the work"


async def test_nobody_is_told_of_a_hidden_column_by_asking_by_it(members: Services, servers: Bank) -> None:
    document = "query ($badge: String!) { memberByBadge(badge: $badge) { memberId } }"
    async with deciding(servers):
        at = await sent(servers, join(ADA, "ada", 1))
        await data(members, f'{{ members(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
        assert await data(members, document, CLERK, badge="b1") == {"memberByBadge": {"memberId": str(ADA)}}
        for badge in ("b1", "b2"):
            async with statements(members) as asked:
                result = await executed(members, document, Viewer("ada"), badge=badge)
            [error] = result.errors
            assert (error.extensions, asked) == ({"code": "FORBIDDEN"}, [])
            assert error.message == "memberByBadge: you may not see badge of member"


async def test_many_rows_of_an_answer_are_found_by_few_statements(members: Services, servers: Bank) -> None:
    keys = [uuid4() for _ in range(20)]
    async with deciding(servers):
        commands = [join(key, f"m{n}", n + 1) for n, key in enumerate(keys)]
        at = await sent(servers, *commands)
        await data(members, f'{{ members(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
    by_email = " ".join(f'e{n}: memberByEmail(email: "m{n}@x") {{ memberId }}' for n in range(25))
    by_badge = " ".join(f'b{n}: memberByBadge(badge: "b{n}") {{ memberId }}' for n in range(1, 21))
    address = 'mailAddressByEmail(email: "m3@x") { memberId }'
    document = f"{{ {by_email} {by_badge} {address} }}"
    await data(members, document)  # the driver asks about types, once for each connection
    async with statements(members) as asked:
        found = await data(members, document)
    assert len(asked) == 3, "the keys, and the rows of each projection"
    expected = {f"e{n}": keys[n] if n < 20 else None for n in range(25)}
    expected |= {f"b{n}": keys[n - 1] for n in range(1, 21)} | {"mailAddressByEmail": keys[3]}
    assert {name: row and UUID(row["memberId"]) for name, row in found.items()} == expected


async def test_what_a_key_finds_depends_on_no_other_key_of_the_answer(
    members: Services, servers: Bank
) -> None:
    async with deciding(servers):
        at = await sent(servers, join(ADA, "ada", 1), join(BEN, "ben", 2), Invite(CY, "ada@x"))
        await data(members, f'{{ members(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
        await data(members, f'{{ guests(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
        await data(members, f'{{ mailAddresses(atLeast: "{at}", timeoutMs: 20000) {{ totalCount }} }}')
    await servers.database.fetch("delete from log_indexes where name = 'unique member.badge'")
    keys = [
        KeyedRow(projection, rule, key)
        for projection, rule in (
            ("member", "member.email"),
            ("member", "member.badge"),
            ("mail_address", "member.email"),
            ("guest", "guest.email"),
        )
        for key in ('["ada@x"]', '["ben@x"]', '["b1"]')
    ]
    await assert_the_same_alone_and_together(members, "rows_by_unique_keys", keys)


async def test_until_its_index_is_built_a_key_finds_nothing_and_the_error_says_so(
    members: Services, servers: Bank
) -> None:
    async with running(Projectors(club, servers.database, servers.nats).run()):
        async with asyncio.timeout(20):
            while (await executed(members, "{ members { totalCount } }")).errors:
                await asyncio.sleep(0.02)
        document = '{ memberByEmail(email: "ada@x") { memberId } members { totalCount } }'
        result = await executed(members, document)
        [error] = result.errors
        assert error.extensions == {"code": "UNIQUE_KEY_BUILDING"}
        assert error.message == "the unique key member.email is being built; try again later"
        assert result.data == {"memberByEmail": None, "members": {"totalCount": 0}}, "of this field alone"
        async with running(servers.processor(club).run()):
            at = await sent(servers, join(ADA, "ada", 1))
            found = await data(
                members,
                f'{{ memberByEmail(email: "ada@x", atLeast: "{at}", timeoutMs: 20000) {{ memberId }} }}',
            )
        assert found == {"memberByEmail": {"memberId": str(ADA)}}
        await servers.database.fetch("update log_indexes set fingerprint = 'of other code'")
        [error] = (await executed(members, document)).errors
        assert error.extensions["code"] == "UNIQUE_KEY_BUILDING", "other code may derive other keys"
