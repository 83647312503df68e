"""Tokens: what is accepted, the viewer it gives, and a corpus of hostile ones with the answer to each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from commander.domain.errors import TokenExpired, Unauthenticated
from commander.domain.viewers import Viewer
from commander.resolvers.identity.claims import ClaimNames
from commander.resolvers.identity.keys import (
    GivenKey,
    UnusableKey,
    VerifyingKey,
    public_key,
    published_key,
    secret_key,
)
from commander.resolvers.identity.tokens import LONGEST_TOKEN, Demands, Tokens
from tests.tokens import AUDIENCE, ISSUER, SECRET, Issuer, claims, encoded

ISSUED = Issuer()
OTHER = Issuer()
DEMANDS = Demands(frozenset(("ES256",)), ISSUER, (AUDIENCE,))


class OneKey(GivenKey):
    """A key with an id, as of an issuer."""

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        return super().find(kid, algorithm) if kid == ISSUED.kid else None


def tokens(**settings: Any) -> Tokens:
    return Tokens(OneKey(published_key(ISSUED.jwk)), DEMANDS, **settings)


async def test_a_token_gives_its_subject_its_roles_and_all_its_claims() -> None:
    given = claims("alice", "teller", "auditor", branch=7)
    access = await tokens().verified(ISSUED.token(given))
    assert access.viewer == Viewer("alice", frozenset(("teller", "auditor")))
    assert access.viewer.claims == given
    assert (access.expires_at, access.issued_at) == (given["exp"], given["iat"])
    with pytest.raises(TypeError):
        access.viewer.claims["branch"] = 8  # type: ignore[index]


def without_signature(token: str) -> str:
    return token.rpartition(".")[0] + "."


def changed(token: str, **others: Any) -> str:
    """The token with other claims and the same signature."""
    head, _, signature = token.split(".")
    return f"{head}.{encoded({**claims(), **others})}.{signature}"


def headed(header: object) -> str:
    return f"{encoded(header)}.{encoded(claims())}.c2ln"


HOSTILE: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: ISSUED.token(claims(seconds=-1)), "has expired"),
    "without exp": (lambda: ISSUED.token(claims(exp=None)), "has no claim exp"),
    "valid for years": (lambda: ISSUED.token(claims(seconds=400 * 86_400)), "more than 366 days"),
    "exp is text": (lambda: ISSUED.token(claims(exp="soon")), "cannot be read"),
    "exp is endless": (lambda: ISSUED.token(claims(exp=float("inf"))), "cannot be read"),
    "exp is huge": (lambda: ISSUED.token(claims(exp=10**400)), "not a time|cannot be read"),
    "not valid yet": (lambda: ISSUED.token(claims(nbf=int(time.time()) + 60)), "not valid yet"),
    "wrong audience": (lambda: ISSUED.token(claims(aud="shop")), "another audience"),
    "no audience": (lambda: ISSUED.token(claims(aud=None)), "has no claim aud|another audience"),
    "wrong issuer": (lambda: ISSUED.token(claims(iss="https://other.test")), "another issuer"),
    "no issuer": (lambda: ISSUED.token(claims(iss=None)), "has no claim iss"),
    "unknown key": (lambda: ISSUED.token(kid="two"), "key of the token is not known"),
    "no key id": (lambda: ISSUED.token(kid=None), "key of the token is not known"),
    "key id is a path": (lambda: ISSUED.token(kid="../../../../dev/null"), "key of the token is not known"),
    "key id is long": (lambda: ISSUED.token(kid="k" * 300), "not a short text"),
    "key id is a number": (lambda: headed({"alg": "ES256", "kid": 1}), "cannot be read|not a short text"),
    "another key under the id": (lambda: OTHER.token(), "signature of the token is wrong"),
    "no signature": (lambda: without_signature(ISSUED.token()), "signature of the token is wrong"),
    "claims were changed": (lambda: changed(ISSUED.token(), sub="root"), "signature of the token is wrong"),
    "algorithm none": (
        lambda: f"{encoded({'alg': 'none', 'kid': 'one'})}.{encoded(claims())}.",
        "algorithm of the token is not allowed",
    ),
    "algorithm nOnE": (
        lambda: headed({"alg": "nOnE", "kid": "one"}),
        "algorithm of the token is not allowed",
    ),
    "the public key as a secret": (
        lambda: jwt.encode(claims(), "x" * 40, algorithm="HS256", headers={"kid": "one"}),
        "algorithm of the token is not allowed",
    ),
    "no algorithm": (lambda: headed({"kid": "one"}), "algorithm of the token is not allowed|cannot be read"),
    "algorithm is a list": (lambda: headed({"alg": ["ES256"], "kid": "one"}), "not allowed|cannot be read"),
    "a key of its own": (
        lambda: OTHER.token(kid="three", jwk=OTHER.jwk, jku="https://evil.test/jwks"),
        "key of the token is not known",
    ),
    "critical extension": (
        lambda: ISSUED.token(crit=["exp"], exp=1),
        "extension that is not supported|cannot be",
    ),
    "unencoded payload": (
        lambda: headed({"alg": "ES256", "kid": "one", "b64": False}),
        "extension that is not supported|cannot be read",
    ),
    "oversized": (lambda: ISSUED.token(claims(note="n" * 9000)), f"longer than {LONGEST_TOKEN}"),
    "nested deep": (lambda: f"{'W1tb' * 1800}.e30.c2ln", "cannot be read"),
    "empty parts": (lambda: "..", "cannot be read"),
    "not a token": (lambda: "alice", "cannot be read"),
    "encrypted": (lambda: "a.b.c.d.e", "cannot be read"),
    "a lone surrogate": (lambda: "\ud800.a.b", "cannot be read"),
    "header is a list": (lambda: headed(["ES256"]), "cannot be read"),
    "no subject": (lambda: ISSUED.token(claims(sub=None)), "claim sub of the token must be a text"),
    "empty subject": (lambda: ISSUED.token(claims("")), "claim sub of the token must be a text"),
    "subject is a list": (
        lambda: ISSUED.token(claims(sub=["root"])),
        "claim sub of the token must be a text",
    ),
    "subject is true": (lambda: ISSUED.token(claims(sub=True)), "claim sub of the token must be a text"),
    "subject is long": (lambda: ISSUED.token(claims("a" * 300)), "claim sub of the token must be a text"),
    "subject cannot be stored": (lambda: ISSUED.token(claims("a\0b")), "NUL"),
    "roles are a number": (lambda: ISSUED.token(claims(roles=7)), "claim roles of the token must be a list"),
    "roles hold a list": (lambda: ISSUED.token(claims(roles=[["root"]])), "claim roles of the token must be"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_token_is_refused_with_its_reason(case: str) -> None:
    make, reason = HOSTILE[case]
    verifier = tokens()
    expected = TokenExpired if case == "expired" else Unauthenticated
    for _ in range(2):  # what was refused is not remembered as anything else
        with pytest.raises(Unauthenticated, match=reason) as refused:
            await verifier.verified(make())
        assert type(refused.value) is expected


async def test_a_public_key_does_not_verify_what_was_signed_with_it_as_a_secret() -> None:
    """The confusion of algorithms: an attacker knows the public key."""
    head, body = encoded({"alg": "HS256", "kid": "one"}), encoded(claims())
    import hmac
    from base64 import urlsafe_b64encode

    digest = hmac.digest(ISSUED.pem.encode(), f"{head}.{body}".encode(), "sha256")
    token = f"{head}.{body}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    both = Tokens(
        OneKey(published_key(ISSUED.jwk)), Demands(frozenset(("ES256", "HS256")), ISSUER, (AUDIENCE,))
    )
    with pytest.raises(Unauthenticated, match="not for its algorithm"):
        await both.verified(token)


async def test_a_token_is_verified_once_and_no_longer_accepted_once_it_has_expired() -> None:
    clock = [time.time()]
    verifier = tokens(now=lambda: clock[0])
    token = ISSUED.token(claims(seconds=60))
    access = await verifier.verified(token)
    assert await verifier.verified(token) is access
    clock[0] += 61
    for _ in range(2):
        with pytest.raises(TokenExpired):
            await verifier.verified(token)
        clock[0] -= 0


async def test_after_a_key_has_gone_a_token_is_verified_again() -> None:
    keys = OneKey(published_key(ISSUED.jwk))
    verifier = Tokens(keys, DEMANDS)
    token = ISSUED.token()
    await verifier.verified(token)
    keys._key = published_key(OTHER.jwk)
    await verifier.verified(token)
    verifier.forget()
    with pytest.raises(Unauthenticated, match="signature"):
        await verifier.verified(token)


async def test_leeway_is_given_before_nbf_and_after_exp() -> None:
    demands = Demands(frozenset(("ES256",)), ISSUER, (AUDIENCE,), leeway_seconds=30)
    verifier = Tokens(OneKey(published_key(ISSUED.jwk)), demands)
    late = claims(seconds=-10, nbf=int(time.time()) + 10)
    assert (await verifier.verified(ISSUED.token(late))).expires_at == late["exp"] + 30
    with pytest.raises(TokenExpired):
        await verifier.verified(ISSUED.token(claims(seconds=-40)))


async def test_a_token_that_says_it_was_issued_in_the_future_is_accepted() -> None:
    await tokens().verified(ISSUED.token(claims(iat=int(time.time()) + 5)))


@pytest.mark.parametrize("audience", [("shop", AUDIENCE), None], ids=["one of several", "any"])
async def test_the_audience_is_one_of_those_that_are_set_or_is_not_compared(audience: Any) -> None:
    verifier = Tokens(OneKey(published_key(ISSUED.jwk)), Demands(frozenset(("ES256",)), ISSUER, audience))
    await verifier.verified(ISSUED.token())


async def test_without_an_audience_a_token_for_another_api_is_refused() -> None:
    verifier = Tokens(OneKey(published_key(ISSUED.jwk)), Demands(frozenset(("ES256",)), ISSUER))
    with pytest.raises(Unauthenticated, match="another audience"):
        await verifier.verified(ISSUED.token())
    await verifier.verified(ISSUED.token(claims(aud=None)))


@pytest.mark.parametrize(
    ("names", "given", "subject", "roles"),
    [
        (ClaimNames(), {"sub": 7}, "7", []),
        (ClaimNames(), {"sub": "ada", "roles": "teller  auditor"}, "ada", ["teller", "auditor"]),
        (ClaimNames(), {"sub": "ada", "roles": {"teller": {}}}, "ada", ["teller"]),
        (
            ClaimNames("email", "realm_access.roles"),
            {"email": "a@b.c", "realm_access": {"roles": ["x"]}},
            "a@b.c",
            ["x"],
        ),
        (ClaimNames("sub", "https://x.y/roles"), {"sub": "ada", "https://x.y/roles": ["x"]}, "ada", ["x"]),
        (ClaimNames("sub", "a.b"), {"sub": "ada", "a": "text"}, "ada", []),
    ],
    ids=["a number", "a text", "an object", "a path", "a URL", "a path through a text"],
)
def test_the_claims_that_the_settings_name_make_the_viewer(
    names: ClaimNames, given: dict[str, Any], subject: str, roles: list[str]
) -> None:
    assert names.viewer(given) == Viewer(subject, frozenset(roles))


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(UnusableKey, match="at least 32 bytes"):
        secret_key("short")
    assert "HS256" in secret_key(SECRET).algorithms
    assert public_key(ISSUED.pem).algorithms == {"ES256"}
    with pytest.raises(UnusableKey, match="not a public key"):
        public_key(SECRET)


@pytest.mark.parametrize(
    ("jwk", "reason"),
    [
        ({"kty": "oct", "k": "c2VjcmV0"}, "not a public key"),
        ({**ISSUED.jwk, "d": "c2VjcmV0"}, "not a public key"),
        ({**ISSUED.jwk, "use": "enc"}, "not for signatures"),
        ({**ISSUED.jwk, "crv": "secp256k1"}, "key"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "key"),
        ({"kty": "EC"}, "cannot be read"),
    ],
    ids=["a secret", "a private key", "for encryption", "another curve", "a short RSA key", "an empty key"],
)
def test_a_published_key_that_cannot_verify_tokens_is_not_used(jwk: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableKey, match=reason):
        published_key(jwk)
