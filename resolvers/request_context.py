"""The request context: the actor, the services, and what was read for the request.

All contexts are made here: `from_headers` for every transport, `from_process` for the command line.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self, TypeVar

from commander.domain.viewers import NOBODY, Viewer
from commander.eventstore.log.epochs import Epochs
from commander.resolvers.identity.access import ANONYMOUS, Access
from commander.resolvers.services import Services
from commander.streaming.live.changes import Cursor
from commander.streaming.tracing import traceparent_from

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
_Own = TypeVar("_Own", bound="RequestContext[Services]")


@dataclass(frozen=True)
class RequestContext(Generic[S_co]):
    """What an operation knows of its request.

    services: the services of this process, with their limits.
    actor: the person or system that sent the request. None if unknown.
    access: what the token of the request allows. None: authentication is off.
    traceparent: the trace that the request is part of. None if it has none.
    resume_after: the cursor of a reconnecting subscriber; it overrides the argument `after`.
    extensions: what resolvers report next to the data, such as the position that was read.
    """

    services: S_co
    actor: str | None = None
    traceparent: str | None = None
    resume_after: Cursor | None = None
    access: Access | None = None
    extensions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_headers(
        cls: type[_Own], services: Services, headers: Mapping[str, str], access: Access | None = None
    ) -> _Own:
        """The context of an HTTP request, or of the request that opened a WebSocket.

        access: what its token allows. None: it has none, or authentication is off.
        """
        name = services.actor_header
        made = cls(
            services,
            None if name is None else _actor(headers.get(name, "")),
            traceparent_from(headers.get("traceparent")),
        )
        if access is None and services.authentication is not None:
            access = ANONYMOUS
        return made if access is None else made.with_access(access)

    def with_access(self, access: Access) -> Self:
        """The same request, with what its token allows. The token's subject is the actor, if it has one."""
        return replace(self, access=access, actor=access.viewer.subject or self.actor)

    @property
    def viewer(self) -> Viewer:
        """Who asks. NOBODY if nobody is signed in, or if authentication is off."""
        return NOBODY if self.access is None else self.access.viewer

    def must_stand(self: RequestContext[Services]) -> None:
        """Raises TokenExpired if the token of the request has ended."""
        if self.access is not None and self.services.authentication is not None:
            self.services.authentication.must_stand(self.access)

    @property
    def epochs(self: RequestContext[Services]) -> Epochs:
        """The epochs of the log."""
        return self.services.epochs

    def for_operation(self) -> Self:
        """The context of another operation of this request. Its extensions are empty."""
        return type(self)(self.services, self.actor, self.traceparent, self.resume_after, self.access)


def from_process(services: S) -> RequestContext[S]:
    """The context of a command line. The actor is the user of the operating system, or the user's number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return RequestContext(services, user)


def _actor(header: str) -> str | None:
    return header.encode("latin-1").decode("utf-8", "replace").replace("\0", "") or None
