"""Who asks, for the transports: from the header Authorization to access, and the end of access."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

from commander.domain.errors import TokenExpired, Unauthenticated
from commander.resolvers.identity.access import ANONYMOUS, Access
from commander.resolvers.identity.open_streams import OpenStreams
from commander.resolvers.identity.revocations import Revocations

_BEARER = "bearer"
_SECONDS_TO_END = 5.0


class Verifier(Protocol):
    """Verifies tokens."""

    async def verified(self, token: str) -> Access:
        """What the token allows. Raises TokenExpired, Unauthenticated, and Unavailable."""


class RenewedKeys(Protocol):
    """Keys that are fetched. problem: why they could not be, at the last try."""

    problem: str | None

    async def run(self) -> None:
        """Renews them until it is cancelled."""


class Authentication:
    """The authentication of an API process. streams: those that end with their tokens.

    keys: those that must be renewed; None for a key that was given. now: seconds since 1970.
    """

    def __init__(
        self, verifier: Verifier, keys: RenewedKeys | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._verifier = verifier
        self._keys = keys
        self._now = now
        self._revocations = Revocations()
        self.streams = OpenStreams(self.must_stand, now)

    @property
    def warnings(self) -> Mapping[str, str]:
        """What operators should know."""
        problem = None if self._keys is None else self._keys.problem
        return {} if problem is None else {"keys of tokens": problem}

    async def run(self) -> None:
        """Renews the keys, and ends streams whose tokens expire, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.streams.run())
            if self._keys is not None:
                group.create_task(self._keys.run())

    async def access(self, authorization: str | None) -> Access:
        """The access of a request with this header. None: without it.

        Raises TokenExpired, Unauthenticated, and Unavailable if the keys of the issuer are not known.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != _BEARER or not token.strip():
            raise Unauthenticated("the authorization must be a bearer token: Bearer, a blank, the token")
        access = await self._verifier.verified(token.strip())
        self._revocations.must_stand(access)
        return access

    def stands(self, access: Access) -> bool:
        """Whether the token has not ended."""
        try:
            self.must_stand(access)
        except TokenExpired:
            return False
        return True

    def must_stand(self, access: Access) -> None:
        """Raises TokenExpired if the token has ended."""
        if access.expires_at <= self._now():
            raise TokenExpired("the token has expired")
        self._revocations.must_stand(access)

    async def end_stream(self, access: Access) -> NoReturn:
        """For a stream of a token that has ended: its transport is told, and ends it. Raises TokenExpired."""
        if access.viewer.subject is not None:
            self.streams.look_at([access.viewer.subject])
        await asyncio.sleep(_SECONDS_TO_END)  # the transport cancels this
        self.must_stand(access)
        raise TokenExpired("the token had expired")

    def revoke(self, revoked: Mapping[str, float]) -> None:
        """Revokes the tokens of these subjects that were issued by then, and ends their streams.

        A time is in seconds since 1970.
        """
        self.streams.look_at(self._revocations.add(revoked))
