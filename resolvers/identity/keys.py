"""Keys that verify tokens, each with the algorithms that it can be used with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SHORTEST_SECRET_BYTES = 32
SMALLEST_RSA_BITS = 2048
_OF_SECRETS = frozenset(("HS256", "HS384", "HS512"))
_OF_RSA = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
_OF_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALGORITHMS = _OF_SECRETS | _OF_RSA | {*_OF_CURVES.values(), "EdDSA"}
"""Every algorithm that can be allowed. `none` is not one."""


class UnusableKey(Exception):
    """The key is too weak, of an unknown kind, or not a key. The message does not show it."""


@dataclass(frozen=True, eq=False)
class VerifyingKey:
    """A key as PyJWT takes it. algorithms: those that it fits. published: as the issuer has it."""

    key: Any
    algorithms: frozenset[str]
    published: Mapping[str, Any] | None = None


class Keys(Protocol):
    """The keys of one issuer."""

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key of this id for this algorithm, if it is known. kid: None if the token names none."""

    async def learn(self, kid: str | None) -> None:
        """Asks the issuer for keys if this id can be new. Raises Unavailable if there are no keys at all."""


class GivenKey:
    """One key from the settings, for all ids."""

    def __init__(self, key: VerifyingKey) -> None:
        self._key = key

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        return self._key if algorithm in self._key.algorithms else None

    async def learn(self, kid: str | None) -> None:
        """There is nobody to ask."""


def secret_key(secret: str) -> VerifyingKey:
    """A shared secret. Raises UnusableKey if it is too short to be one."""
    key = secret.encode()
    if len(key) < SHORTEST_SECRET_BYTES:
        raise UnusableKey(f"a shared secret must have at least {SHORTEST_SECRET_BYTES} bytes")
    return VerifyingKey(key, frozenset(name for name in _OF_SECRETS if len(key) * 8 >= int(name[2:])))


def public_key(pem: str) -> VerifyingKey:
    """A public key in PEM. Raises UnusableKey."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise UnusableKey("it is not a public key in PEM (-----BEGIN PUBLIC KEY-----)") from error
    return _of_pair(key)


def published_key(jwk: Mapping[str, Any]) -> VerifyingKey:
    """A public key of a key set (RFC 7517). Raises UnusableKey, also for a secret and for a private key."""
    if jwk.get("kty") not in ("RSA", "EC", "OKP") or "d" in jwk:
        raise UnusableKey(f"a key of the type {jwk.get('kty')!r:.40} is not a public key")
    if jwk.get("use", "sig") != "sig":
        raise UnusableKey("the key is not for signatures")
    try:
        key = jwt.PyJWK({name: value for name, value in jwk.items() if name != "alg"}).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnusableKey(f"the key cannot be read: {error}") from error
    found = _of_pair(key)
    named = jwk.get("alg")
    allowed = found.algorithms if named is None else found.algorithms & {str(named)}
    return VerifyingKey(found.key, allowed, jwk)


def _of_pair(key: Any) -> VerifyingKey:
    if isinstance(key, RSAPublicKey):
        if key.key_size < SMALLEST_RSA_BITS:
            raise UnusableKey(f"an RSA key must have at least {SMALLEST_RSA_BITS} bits")
        return VerifyingKey(key, _OF_RSA)
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _OF_CURVES:
        return VerifyingKey(key, frozenset((_OF_CURVES[key.curve.name],)))
    if isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        return VerifyingKey(key, frozenset(("EdDSA",)))
    raise UnusableKey("it must be an RSA key, a key of the curves P-256, P-384 or P-521, or an Ed25519 key")
