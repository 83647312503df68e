"""The end of what a token allows: by its time, or because it was revoked."""

from __future__ import annotations

import asyncio
import time

import pytest

from commander.domain.errors import TokenExpired
from commander.resolvers.identity.access import ANONYMOUS, Access
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from tests.tokens import SECRET, bearer, secret_token


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def authenticating(clock: Clock) -> Authentication:
    tokens = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))), now=clock)
    return Authentication(tokens, now=clock)


async def access_of(authentication: Authentication, token: str) -> Access:
    return await authentication.access(bearer(token)["authorization"])


async def test_a_stream_is_ended_when_its_token_expires_and_no_other_is() -> None:
    clock = Clock()
    authentication = authenticating(clock)
    ended: list[str] = []
    short = await access_of(authentication, secret_token("alice", seconds=60))
    long = await access_of(authentication, secret_token("bob", seconds=600))
    running = asyncio.create_task(authentication.run())
    streams = authentication.streams
    with (
        streams.opened(short, lambda error: ended.append(f"alice: {error}")),
        streams.opened(long, lambda error: ended.append("bob")),
        streams.opened(ANONYMOUS, lambda error: ended.append("nobody")),
    ):
        clock.now += 60
        async with asyncio.timeout(20):
            while not ended:
                await asyncio.sleep(0.01)
        assert ended == ["alice: the token has expired"]
        assert len(streams) == 1
    assert len(streams) == 0
    running.cancel()


async def test_revoking_ends_the_streams_of_a_subject_at_once_and_refuses_its_tokens() -> None:
    clock = Clock()
    authentication = authenticating(clock)
    ended: list[str] = []
    token = secret_token("alice")
    access = await access_of(authentication, token)
    other = await access_of(authentication, secret_token("bob"))
    with (
        authentication.streams.opened(access, lambda error: ended.append(str(error))),
        authentication.streams.opened(other, lambda error: ended.append("bob")),
    ):
        authentication.revoke({"alice": clock.now})
        assert ended == ["the token was revoked"]
    with pytest.raises(TokenExpired, match="revoked"):
        await access_of(authentication, token)
    with pytest.raises(TokenExpired, match="revoked"), authentication.streams.opened(access, lambda _: None):
        raise AssertionError("it was opened")
    assert not authentication.stands(access) and authentication.stands(other)


async def test_a_token_that_was_issued_after_the_revocation_is_accepted() -> None:
    clock = Clock()
    authentication = authenticating(clock)
    authentication.revoke({"alice": clock.now - 10})
    assert (await access_of(authentication, secret_token("alice"))).viewer.subject == "alice"
    authentication.revoke({"alice": clock.now - 20})  # an earlier one changes nothing
    assert (await access_of(authentication, secret_token("alice"))).viewer.subject == "alice"


async def test_a_stream_that_cannot_be_ended_does_not_keep_others_from_ending() -> None:
    authentication = authenticating(Clock())
    ended: list[int] = []

    def end(number: int) -> None:
        ended.append(number)
        raise RuntimeError("as it were")

    access = await access_of(authentication, secret_token("alice"))
    with (
        authentication.streams.opened(access, lambda _: end(1)),
        authentication.streams.opened(access, lambda _: end(2)),
    ):
        authentication.revoke({"alice": time.time()})
    assert sorted(ended) == [1, 2]
