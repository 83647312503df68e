"""Which events each viewer's subscription to the log gets, and which viewers share what is rendered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from commander.resolvers.identity import authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.resolvers.services import Services
from commander.schema.context import Context
from tests.schema.built import schema_of
from tests.schema.clinic import Admit, Book, Reassign, clinic
from tests.schema.test_visible_events import EVENT, SEEN, Clinic, open_clinic, sent, shown
from tests.schema.test_visible_rows import VIEWERS, rights
from tests.tokens import SECRET, bearer, secret_token

__all__ = ["open_clinic"]

FEED = f"""subscription ($after: Position, $types: [String!]) {{
    events(after: $after, filter: {{types: $types}}) {{
    ... on Event {{ {EVENT} }} ... on CaughtUp {{ __typename position }} }} }}"""


class Follower:
    """One viewer's subscription to the log."""

    def __init__(
        self, clinic_: Clinic, name: str, after: int | None = None, types: list[str] | None = None
    ) -> None:
        self._context = Context(clinic_.services, rights=rights(VIEWERS[name]))
        self._given = {"after": None if after is None else str(after), "types": types}
        self._answers: Any = None

    async def __aenter__(self) -> Follower:
        self._answers = await schema_of(clinic).stream(FEED, self._given, self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._answers.aclose()

    async def until_caught_up(self) -> list[Any]:
        return await self._until(lambda item: item["__typename"] == "CaughtUp")

    async def until(self, position: int) -> list[Any]:
        return await self._until(lambda item: int(item["position"]) >= position)

    async def _until(self, ends: Any) -> list[Any]:
        found: list[Any] = []
        async with asyncio.timeout(60):
            async for answer in self._answers:
                assert not answer.errors, answer.errors
                item = json.loads(bytes(answer.data))["events"]
                if item["__typename"] in ("Admitted", "Booked", "Reassigned"):
                    found.append(item)
                if ends(item):
                    return found
        raise AssertionError("it ended")


@pytest.mark.parametrize("name", VIEWERS)
async def test_the_feed_has_the_past_and_the_new_events_that_the_viewer_sees(
    open_clinic: Clinic, name: str
) -> None:
    async with Follower(open_clinic, name, after=0) as follower:
        past = await follower.until_caught_up()
        assert shown(past) == SEEN[name]
        if name == "doctor":
            assert {event.get("diagnosis") for event in past} == {"gout", "measles", None}
        else:
            assert {event.get("diagnosis") for event in past} <= {None}
        await sent(open_clinic.servers, Book(uuid4(), open_clinic.ada, "south"), "dora")
        for person in ("ada", "bob"):
            await sent(open_clinic.servers, Admit(uuid4(), person, "mumps"), person)
        if name == "nobody":
            return
        live = await follower.until({"ada": 5, "bob": 6, "doctor": 6}[name])
        assert shown(live) == SEEN[name]


@asynccontextmanager
async def written_to_by_nobody(services: Services, projection: str) -> AsyncIterator[None]:
    """Meanwhile no row of the projection changes. The rows can be read."""
    held, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with services.database.connection() as connection, connection.transaction():
            await connection.execute(f'lock table "{services.tables[projection].name}" in exclusive mode')
            held.set()
            await release.wait()

    holding = asyncio.create_task(hold())
    try:
        await asyncio.wait((asyncio.ensure_future(held.wait()), holding), return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        release.set()
        await holding


async def test_an_event_whose_row_is_not_there_yet_comes_once_it_is(open_clinic: Clinic) -> None:
    """An event comes before the projection that decides who sees it; the feed waits, and keeps the order."""
    services, count = open_clinic.services, 5
    async with Follower(open_clinic, "ada") as follower:
        await follower.until_caught_up()
        async with written_to_by_nobody(services, "patient"):
            following = asyncio.create_task(follower.until(3 + count))
            for _ in range(count):
                await sent(open_clinic.servers, Admit(uuid4(), "ada", "mumps"), "ada")
            async with asyncio.timeout(60):
                while services.feed.position < 3 + count:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # a feed that does not wait decides now
        found = await following
    assert [int(item["position"]) for item in found] == list(range(4, 4 + count))


async def test_viewers_with_equal_rules_share_a_rendering(open_clinic: Clinic) -> None:
    async with AsyncExitStack() as stack:
        followers = [await stack.enter_async_context(Follower(open_clinic, "ada", 0)) for _ in range(3)]
        followers.append(await stack.enter_async_context(Follower(open_clinic, "bob", 0)))
        for follower in followers:
            await follower.until_caught_up()
        following = schema_of(clinic)._following
        assert following is not None
        assert len(following._visible) == 2, "one for ada's rules, one for bob's"
        assert open_clinic.services.feed.groups == 1


async def test_rules_of_events_that_a_filter_leaves_out_are_not_compared(open_clinic: Clinic) -> None:
    """Ada and Bob differ in whose admission they see. Neither sees bookings."""
    async with AsyncExitStack() as stack:
        for types, groups in ((["Booked"], 1), (["Booked", "Admitted"], 3)):
            for name in ("ada", "bob"):
                follower = await stack.enter_async_context(Follower(open_clinic, name, 0, types))
                found = await follower.until_caught_up()
                assert shown(found) == [one for one in SEEN[name] if "Admitted" in types]
            following = schema_of(clinic)._following
            assert following is not None
            assert len(following._visible) == groups


async def test_what_rows_have_decided_is_decided_again_for_who_comes_later(open_clinic: Clinic) -> None:
    """Ada's first subscription got her admission. After that she is no longer the patient."""
    admissions = ["Admitted"]  # so both get the same page
    async with Follower(open_clinic, "ada", 0, admissions) as first:
        assert shown(await first.until_caught_up()) == ["ada admitted"]
        await sent(open_clinic.servers, Reassign(open_clinic.ada, "bob"), "dora")
        assert not await open_clinic.services.progress.reach({"patient": 4}, 20)
        async with asyncio.timeout(20):
            while True:
                async with Follower(open_clinic, "ada", 0, admissions) as later:
                    if not await later.until_caught_up():
                        break


async def test_pages_that_are_cut_otherwise_are_not_rendered_again(open_clinic: Clinic) -> None:
    """The doctor's rules are decided without rows. A subscriber who begins later gets another page."""
    following = schema_of(clinic)._following
    assert following is not None
    async with Follower(open_clinic, "doctor", after=0) as first:
        assert len(await first.until_caught_up()) == 3
        rendered = following.rendered.events
        for after in (1, 2):
            async with Follower(open_clinic, "doctor", after=after) as later:
                assert len(await later.until_caught_up()) == 3 - after
        assert following.rendered.events == rendered


async def test_viewers_with_other_rules_who_see_the_same_fields_share_a_rendering(
    open_clinic: Clinic,
) -> None:
    """Ada's admission becomes visible to Bob."""
    following = schema_of(clinic)._following
    assert following is not None
    async with Follower(open_clinic, "ada", after=0) as ada:
        before = following.rendered.events
        assert shown(await ada.until_caught_up()) == ["ada admitted"]
        await sent(open_clinic.servers, Reassign(open_clinic.ada, "bob"), "dora")
        assert not await open_clinic.services.progress.reach({"patient": 4}, 20)
        async with Follower(open_clinic, "bob", after=0) as bob:
            assert shown(await bob.until_caught_up()) == ["ada admitted", "bob admitted", "bob reassigned"]
        assert following.rendered.events == before + 3
        async with Follower(open_clinic, "doctor", after=0) as doctor:
            assert len(await doctor.until_caught_up()) == 4
        assert following.rendered.events == before + 7, "a doctor sees more fields"


async def test_no_item_follows_the_end_of_the_token_also_before_its_transport_ends_the_stream(
    open_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transport is there, and nobody watches for tokens that end."""
    monkeypatch.setattr(authentication, "_SECONDS_TO_END", 0.0)
    now = [time.time()]
    tokens = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))), now=lambda: now[0])
    made = authentication.Authentication(tokens, now=lambda: now[0])
    access = await made.access(bearer(secret_token("ada", seconds=600))["authorization"])
    services = replace(open_clinic.services, authentication=made)
    answers = await schema_of(clinic).stream(
        FEED, {}, Context(services, access=access, rights=rights(VIEWERS["ada"]))
    )
    async with aclosing(answers), asyncio.timeout(20):
        assert b"CaughtUp" in bytes((await anext(answers)).data)
        now[0] += 601
        await sent(open_clinic.servers, Admit(uuid4(), "ada", "mumps"), "ada")
        [error] = (await anext(answers)).errors
    assert error.extensions["code"] == "TOKEN_EXPIRED"
