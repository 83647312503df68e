"""Who asks, and their tokens."""

from __future__ import annotations

import time

import jwt

SECRET = "a secret of the benchmark, long enough"
_LIFE_SECONDS = 3600


def subject_of(number: int) -> str:
    return f"member {number}"


def tokens(count: int, branches: int = 10) -> list[str]:
    """The tokens of as many viewers, each of another subject. They work in so many branches, in turn."""
    now = time.time()
    return [
        jwt.encode(
            {
                "sub": subject_of(n),
                "branch": f"branch {n % branches}",
                "iat": now,
                "exp": now + _LIFE_SECONDS,
            },
            SECRET,
            algorithm="HS256",
        )
        for n in range(count)
    ]
