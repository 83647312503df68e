"""The request context: the actor, the services, and what was read for the request.

All contexts are made here: `from_headers` for every transport, `from_process` for the command line.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from commander.eventstore.log.epochs import Epochs
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
    traceparent: the trace that the request is part of. None if it has none.
    resume_after: the cursor of a reconnecting subscriber; it overrides the argument `after`.
    address: of the client, or of the gateway before the API. None if it has none.
    extensions: what resolvers report next to the data, such as the position that was read.
    """

    services: S_co
    actor: str | None = None
    traceparent: str | None = None
    resume_after: Cursor | None = None
    address: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_headers(
        cls: type[_Own], services: Services, headers: Mapping[str, str], address: str | None = None
    ) -> _Own:
        """The context of an HTTP request, or of the request that opened a WebSocket."""
        name = services.actor_header
        return cls(
            services,
            None if name is None else _actor(headers.get(name, "")),
            traceparent_from(headers.get("traceparent")),
            address=address,
        )

    @property
    def epochs(self: RequestContext[Services]) -> Epochs:
        """The epochs of the log."""
        return self.services.epochs

    def for_operation(self) -> Self:
        """The context of another operation of this request. Its extensions are empty."""
        return type(self)(self.services, self.actor, self.traceparent, self.resume_after, self.address)


def from_process(services: S) -> RequestContext[S]:
    """The context of a command line. The actor is the user of the operating system, or the user's number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return RequestContext(services, user)


def _actor(header: str) -> str | None:
    return header.encode("latin-1").decode("utf-8", "replace").replace("\0", "") or None
