"""What it costs to verify a token: the first time, and each time after that."""

from __future__ import annotations

import time
from collections.abc import Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.identity.plan import Bench
from bench.measuring import Measure
from commander.parts.authentication import authentication_of
from commander.resolvers.identity.authentication import Authentication
from commander.settings import Settings

KNOWN = "a token that is known"
NEW = "a token that is new, RS256"


async def measure_verifying(bench: Bench) -> list[Measure]:
    """CPU time of one request's token."""
    key = generate_private_key(65537, 2048)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings = Settings(auth="jwt", auth_public_key=pem, auth_audience="*")
    made = []
    for number in range(bench.plan.new):
        claims = {"sub": f"user {number}", "roles": ["teller"], "iat": time.time(), "exp": time.time() + 3600}
        made.append(f"Bearer {jwt.encode(claims, key, algorithm='RS256')}")
    authentication = authentication_of(settings)
    new = await _microseconds(authentication, made)
    known = await _microseconds(authentication, [made[n % len(made)] for n in range(bench.plan.known)])
    return [Measure(NEW, "us", new), Measure(KNOWN, "us", known)]


async def _microseconds(authentication: Authentication, given: Sequence[str]) -> float:
    began = time.process_time()
    for one in given:
        await authentication.access(one)
    return (time.process_time() - began) / len(given) * 1e6
