"""Mints tokens for development, as an issuer with a shared secret would."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from commander.domain.errors import InvalidRequest
from commander.resolvers.identity.claims import ClaimNames

LONGEST_MINUTES = 366 * 24 * 60


@dataclass(frozen=True)
class Mint:
    """Mints tokens that are accepted with this secret, for these claims, issuer and audience."""

    secret: str
    claims: ClaimNames
    issuer: str | None = None
    audience: str | None = None

    def token(self, subject: str, roles: Sequence[str], minutes: float) -> str:
        """A token of this subject, valid from now on. Raises InvalidRequest."""
        if not subject:
            raise InvalidRequest("subject", "must not be empty")
        if not 0 < minutes <= LONGEST_MINUTES:
            raise InvalidRequest("minutes", f"must be above 0 and at most {LONGEST_MINUTES}, got {minutes:g}")
        now = time.time()
        claims: dict[str, Any] = {"iat": int(now), "exp": int(now + 60 * minutes)}
        _place(claims, self.claims.subject, subject)
        _place(claims, self.claims.roles, list(roles))
        claims |= {} if self.issuer is None else {"iss": self.issuer}
        claims |= {} if self.audience is None else {"aud": self.audience}
        return jwt.encode(claims, self.secret, algorithm="HS256")


def _place(claims: dict[str, Any], name: str, value: Any) -> None:
    """Puts a value where ClaimNames finds it."""
    *path, last = [name] if "/" in name else name.split(".")
    for part in path:
        claims = claims.setdefault(part, {})
    claims[last] = value
