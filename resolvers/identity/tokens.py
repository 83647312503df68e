"""Verifies tokens: JSON Web Tokens (RFC 7519) with a signature. Each is verified once, until it expires.

RFC 8725 lists what goes wrong with such tokens. What it asks for is here: the algorithm is one of an allowed
list and fits the key, `exp` is required, issuer and audience are compared, and `crit` is refused.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import jwt

from commander.domain.errors import TokenExpired, Unauthenticated
from commander.resolvers.identity.access import Access
from commander.resolvers.identity.claims import ClaimNames
from commander.resolvers.identity.keys import Keys, VerifyingKey

LONGEST_TOKEN = 8192
"""The most characters of a token."""
LONGEST_LIFE_DAYS = 366
"""A token that ends later is refused: revocations are kept for so long."""
_LONGEST_KID = 256
_MOST_CACHED = 10_000
_EXPIRED = "the token has expired"
_PROBLEMS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.InvalidSignatureError: "the signature of the token is wrong",
}


@dataclass(frozen=True)
class Demands:
    """What a token must have.

    algorithms: those that are allowed. audience: it must name one of these; empty: it must name none; None:
    it is not compared. leeway_seconds: how long before `nbf` and after `exp` it is accepted.
    """

    algorithms: frozenset[str]
    issuer: str | None = None
    audience: tuple[str, ...] | None = ()
    leeway_seconds: float = 0


class Tokens:
    """Verifies tokens with these keys.

    now: seconds since 1970. A verified token is kept by its hash, so nothing here holds a token.
    """

    def __init__(
        self,
        keys: Keys,
        demands: Demands,
        claims: ClaimNames = ClaimNames(),  # noqa: B008  # it is frozen
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._demands = demands
        self._claims = claims
        self._now = now
        self._verified: OrderedDict[bytes, Access] = OrderedDict()

    async def verified(self, token: str) -> Access:
        """What the token allows. Raises TokenExpired, Unauthenticated, and Unavailable without keys."""
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(f"the token is longer than {LONGEST_TOKEN} characters")
        digest = blake2b(token.encode("utf-8", "surrogatepass")).digest()
        access = self._verified.get(digest)
        if access is None:
            access = await self._verify(token)
            self._verified[digest] = access
            if len(self._verified) > _MOST_CACHED:
                self._verified.popitem(last=False)
        if access.expires_at <= self._now():
            self._verified.pop(digest, None)
            raise TokenExpired(_EXPIRED)
        return access

    def forget(self) -> None:
        """Drops all verified tokens: a key has gone."""
        self._verified.clear()

    async def _verify(self, token: str) -> Access:
        try:
            kid, algorithm = _head(token)
            key = await self._key(kid, algorithm)
            claims = self._claims_of(token, key, algorithm)
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired(_EXPIRED) from error
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(f"the token has no claim {error.claim}") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated(_PROBLEMS.get(type(error), "the token cannot be read")) from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthenticated("the token cannot be read") from error
        return self._access(claims)

    async def _key(self, kid: str | None, algorithm: str) -> VerifyingKey:
        if algorithm not in self._demands.algorithms:
            raise Unauthenticated(f"the algorithm of the token is not allowed: {algorithm!r:.40}")
        key = self._keys.find(kid, algorithm)
        if key is None:
            await self._keys.learn(kid)
            key = self._keys.find(kid, algorithm)
        if key is None:
            raise Unauthenticated("the key of the token is not known, or not for its algorithm")
        return key

    def _claims_of(self, token: str, key: VerifyingKey, algorithm: str) -> Mapping[str, Any]:
        demands = self._demands
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            issuer=demands.issuer,
            audience=list(demands.audience) if demands.audience else None,
            leeway=demands.leeway_seconds,
            options={
                "require": ["exp"] if demands.issuer is None else ["exp", "iss"],
                "verify_aud": demands.audience is not None,
                "verify_iat": False,  # a time of the issuer's clock; it says nothing about the validity
                "verify_sub": False,  # claims.py reads the claim that the settings name
            },
        )
        return claims

    def _access(self, claims: Mapping[str, Any]) -> Access:
        expires_at = _time(claims, "exp")
        assert expires_at is not None, "it is required"
        if expires_at > self._now() + LONGEST_LIFE_DAYS * 86_400:
            raise Unauthenticated(f"the token is valid for more than {LONGEST_LIFE_DAYS} days")
        viewer = self._claims.viewer(claims)
        return Access(viewer, expires_at + self._demands.leeway_seconds, _time(claims, "iat"))


def _head(token: str) -> tuple[str | None, str]:
    """The key's id and the algorithm. Raises Unauthenticated, and what PyJWT does."""
    header = jwt.get_unverified_header(token)
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str | None) or len(kid or "") > _LONGEST_KID:
        raise Unauthenticated("the key id of the token is not a short text")
    if "crit" in header or "b64" in header:
        raise Unauthenticated("the token needs an extension that is not supported")
    return kid, str(algorithm)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A time in seconds since 1970. None if there is none. Raises Unauthenticated."""
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e15 < value < 1e15:
        raise Unauthenticated(f"the claim {name} of the token is not a time")
    return math.floor(value) if name == "exp" else float(value)
