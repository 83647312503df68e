"""The keys of an issuer, from a real server: cached, renewed, found again, and used while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from commander.domain.errors import Unauthenticated, Unavailable
from commander.resolvers.identity.issued_keys import IssuedKeys
from commander.resolvers.identity.tokens import Demands, Tokens
from tests.tokens import AUDIENCE, ISSUER, Issuer, KeyServer, claims

ONE, TWO = Issuer("one"), Issuer("two")
DEMANDS = Demands(frozenset(("ES256",)), ISSUER, (AUDIENCE,))


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer(ONE.jwk) as started:
        yield started


def verifying(keys: IssuedKeys) -> Tokens:
    made = Tokens(keys, DEMANDS)
    keys.on_removal = made.forget
    return made


async def test_keys_are_fetched_once_for_all_who_ask_at_once_and_then_kept(server: KeyServer) -> None:
    tokens = verifying(IssuedKeys(server.url, None))
    await asyncio.gather(*(tokens.verified(ONE.token(claims(f"user {n}"))) for n in range(20)))
    await tokens.verified(ONE.token())
    assert server.asked == 1


async def test_an_unknown_key_is_asked_for_once_and_not_for_each_request(server: KeyServer) -> None:
    tokens = verifying(IssuedKeys(server.url, None))
    await tokens.verified(ONE.token())

    async def refused(n: int) -> None:
        with pytest.raises(Unauthenticated, match="not known"):
            await tokens.verified(TWO.token(claims(f"user {n}")))

    await asyncio.gather(*(refused(n) for n in range(50)))
    for n in range(50):
        await refused(n)
    assert server.asked == 2


async def test_a_new_key_is_found_at_once_when_the_issuer_rotates(server: KeyServer) -> None:
    tokens = verifying(IssuedKeys(server.url, None))
    await tokens.verified(ONE.token())
    server.keys = [ONE.jwk, TWO.jwk]
    await tokens.verified(TWO.token())
    assert server.asked == 2


async def test_ever_new_key_ids_do_not_make_the_api_ask_without_end(server: KeyServer) -> None:
    moment = [0.0]
    tokens = verifying(IssuedKeys(server.url, None, clock=lambda: moment[0]))
    await tokens.verified(ONE.token())
    for n in range(100):
        with pytest.raises(Unauthenticated):
            await tokens.verified(TWO.token(kid=f"made up {n}"))
    assert server.asked == 5
    moment[0] += 25
    for n in range(100):
        with pytest.raises(Unauthenticated):
            await tokens.verified(TWO.token(kid=f"another {n}"))
    assert server.asked == 7


async def test_known_keys_stay_in_use_while_the_issuer_is_away(server: KeyServer) -> None:
    keys = IssuedKeys(server.url, None, renew_seconds=0.05)
    tokens = verifying(keys)
    running = asyncio.create_task(keys.run())
    await tokens.verified(ONE.token())
    server.stop()
    async with asyncio.timeout(20):
        while keys.problem is None:
            await asyncio.sleep(0.01)
    assert server.url in keys.problem
    await tokens.verified(ONE.token(claims("bob")))
    with pytest.raises(Unauthenticated, match="not known"):
        await tokens.verified(TWO.token())
    server.keys = [TWO.jwk]
    server.start()
    async with asyncio.timeout(20):
        while keys.problem is not None:
            await asyncio.sleep(0.01)
    await tokens.verified(TWO.token())
    with pytest.raises(Unauthenticated, match="not known"):
        await tokens.verified(ONE.token(claims("bob")))
    running.cancel()


async def test_without_any_key_it_is_the_issuer_that_is_unavailable_and_not_the_token_that_is_wrong() -> None:
    with KeyServer() as server:
        pass
    tokens = verifying(IssuedKeys(server.url, None))
    with pytest.raises(Unavailable, match="cannot be read"):
        await tokens.verified(ONE.token())


async def test_discovery_finds_the_keys_of_an_issuer(server: KeyServer) -> None:
    keys = IssuedKeys(None, server.issuer)
    tokens = Tokens(keys, Demands(frozenset(("ES256",)), server.issuer, (AUDIENCE,)))
    await tokens.verified(ONE.token(claims(iss=server.issuer)))
    assert server.asked == 1


BAD = {
    "no JSON": b"<html>",
    "no object": b"[]",
    "no keys": b"{}",
    "keys are no list": b'{"keys": {}}',
    "no usable key": b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}, 7, {"kid": 7}]}',
    "too long": b'{"keys": [], "x": "' + b"x" * 600_000 + b'"}',
}


@pytest.mark.parametrize("case", BAD)
async def test_an_answer_that_is_no_key_set_changes_nothing(server: KeyServer, case: str) -> None:
    keys = IssuedKeys(server.url, None)
    tokens = verifying(keys)
    await tokens.verified(ONE.token())
    server.answers["/jwks"] = (200, BAD[case])
    with pytest.raises(Unauthenticated, match="not known"):
        await tokens.verified(TWO.token())
    assert keys.problem is not None
    await tokens.verified(ONE.token(claims("bob")))


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_another_status_is_no_key_set_and_a_redirect_is_not_followed(
    server: KeyServer, status: int
) -> None:
    server.answers["/jwks"] = (status, b"{}")
    keys = IssuedKeys(server.url, None)
    with pytest.raises(Unavailable, match=f"status {status}"):
        await verifying(keys).verified(ONE.token())


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            b'{"issuer": "https://other.test", "jwks_uri": "https://other.test/jwks"}',
            "says that it is the issuer",
        ),
        (b'{"issuer": "ISSUER"}', "names no usable jwks_uri"),
        (b'{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}', "names no usable jwks_uri"),
    ],
    ids=["another issuer", "no URL", "a file"],
)
async def test_a_wrong_discovery_document_is_not_followed(
    server: KeyServer, document: bytes, reason: str
) -> None:
    document = document.replace(b"ISSUER", server.issuer.encode())
    server.answers["/.well-known/openid-configuration"] = (200, document)
    with pytest.raises(Unavailable, match=reason):
        await verifying(IssuedKeys(None, server.issuer)).verified(ONE.token())
    assert server.asked == 0
