"""Revocations that all API processes share: over NATS, through Postgres, and by events of the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from commander.domain.errors import TokenExpired
from commander.eventstore.log.revocations import followed_for_revocations, stored_revocations
from commander.examples.bank import bank
from commander.examples.bank.messages import AccountClosed, CloseAccount, OpenAccount
from commander.resolvers.identity.access import Access
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.revoking_events import RevokingEvents
from commander.resolvers.identity.shared_revocations import SharedRevocations
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.streaming.feed.feed import Feed
from commander.streaming.revocations import REVOKED, publish_revocation
from tests.streaming.conftest import Bank, running
from tests.tokens import SECRET, bearer, secret_token


def authenticating() -> Authentication:
    return Authentication(Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",)))))


async def access_of(authentication: Authentication, subject: str) -> Access:
    return await authentication.access(bearer(secret_token(subject))["authorization"])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def sharing(servers: Bank) -> AsyncIterator[tuple[Authentication, SharedRevocations]]:
    """What an API process does for revocations, from its start until it ends."""
    authentication = authenticating()
    shared = SharedRevocations(authentication, servers.database, servers.nats)
    await shared.load()
    async with running(shared.run()):
        yield authentication, shared


@pytest.mark.parametrize(
    "payload", [b"alice", b" alice\n", b'{"subject": "alice"}'], ids=["text", "line", "JSON"]
)
async def test_a_message_revokes_in_every_process_and_in_one_that_starts_later(
    servers: Bank, payload: bytes
) -> None:
    async with sharing(servers) as (one, _), sharing(servers) as (other, _):
        accesses = [await access_of(process, "alice") for process in (one, other)]
        bob = await access_of(one, "bob")

        async with asyncio.timeout(20):
            while one.stands(accesses[0]) or other.stands(accesses[1]):
                await servers.nats.client.publish(REVOKED, payload)
                await asyncio.sleep(0.05)
        assert one.stands(bob)
        async with asyncio.timeout(20):
            while "alice" not in await stored_revocations(servers.database, timedelta(days=1)):
                await asyncio.sleep(0.01)
    async with sharing(servers) as (later, _):
        with pytest.raises(TokenExpired, match="revoked"):
            later.must_stand(accesses[0])


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b'{"subject": 7}', b"\xff", b"a\0b", b"a" * 300, b'{"subject"', b'{"x":' + b"[" * 10**5],
    ids=lambda payload: payload[:12],
)
async def test_a_message_without_a_subject_revokes_nothing_and_is_logged(
    servers: Bank, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with sharing(servers) as (process, _):
        access = await access_of(process, "alice")
        with caplog.at_level(logging.WARNING):
            async with asyncio.timeout(20):
                while "a revocation names no subject" not in caplog.text:
                    await servers.nats.client.publish(REVOKED, payload)
                    await asyncio.sleep(0.05)
        assert process.stands(access)


async def test_a_process_that_missed_the_message_finds_it_in_postgres(servers: Bank) -> None:
    async with sharing(servers) as (process, shared):
        access = await access_of(process, "alice")
        other = SharedRevocations(authenticating(), servers.database, servers.nats)
        other.revoke(["alice"], time.time())
        await other._exchange()
        await shared._exchange()
        assert not process.stands(access)


async def test_a_system_s_own_message_is_for_that_system(servers: Bank) -> None:
    async with sharing(servers) as (process, _):
        access = await access_of(process, "alice")
        async with asyncio.timeout(20):
            while process.stands(access):
                await publish_revocation(servers.nats, "alice")
                await asyncio.sleep(0.05)


async def test_an_event_revokes_also_if_it_was_stored_before_the_process_started(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "revoking", {})

    @bank.revokes
    def closed(event: AccountClosed) -> str:
        return str(event.account_id)

    async def close(account: UUID) -> None:
        await servers.submit(OpenAccount("Ada", account))
        await servers.outcome(await servers.submit(CloseAccount(account)))

    before, later, open_one = uuid4(), uuid4(), uuid4()
    feed = Feed(servers.database, servers.nats, heartbeat_seconds=0.05)
    async with running(servers.processor().run()), running(feed.run()), sharing(servers) as (process, shared):
        accesses = {account: await access_of(process, str(account)) for account in (before, later, open_one)}
        await close(before)
        events = RevokingEvents(bank, servers.database, feed, shared)
        async with running(events.run()):
            await until(lambda: not process.stands(accesses[before]))
            assert process.stands(accesses[later])
            await close(later)
            await until(lambda: not process.stands(accesses[later]))
            assert process.stands(accesses[open_one])
            async with asyncio.timeout(20):
                while await followed_for_revocations(servers.database) < 4:
                    await asyncio.sleep(0.01)
