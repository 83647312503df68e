"""The request context: the actor, the services, and what was read for the request.

All contexts are made here: `from_headers` for every transport, `from_process` for the command line.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

import msgspec
from msgspec.structs import replace

from commander.domain import Rights
from commander.domain.errors import Forbidden
from commander.domain.viewers import NOBODY, Viewer
from commander.eventstore.log.epochs import Epochs
from commander.resolvers.identity.access import ANONYMOUS, Access
from commander.resolvers.services import Services
from commander.streaming.live.changes import Cursor
from commander.streaming.tracing import traceparent_from

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
_Own = TypeVar("_Own", bound="RequestContext[Services]")


class RequestContext(msgspec.Struct, Generic[S_co], frozen=True, eq=False, dict=True):
    """What an operation knows of its request.

    services: the services of this process, with their limits.
    actor: the person or system that sent the request. None if unknown.
    access: what the token of the request allows. None: authentication is off.
    traceparent: the trace that the request is part of. None if it has none.
    resume_after: the cursor of a reconnecting subscriber; it overrides the argument `after`.
    address: of the client, or of the gateway before the API. None if it has none.
    extensions: what resolvers report next to the data, such as the position that was read.
    rights: what the viewer of the request may send and see. None: authentication is off, so nothing is
    checked.
    """

    services: S_co
    actor: str | None = None
    traceparent: str | None = None
    resume_after: Cursor | None = None
    access: Access | None = None
    address: str | None = None
    extensions: dict[str, Any] = msgspec.field(default_factory=dict)
    rights: Rights | None = None

    @classmethod
    def from_headers(
        cls: type[_Own],
        services: Services,
        headers: Mapping[str, str],
        access: Access | None = None,
        address: str | None = None,
    ) -> _Own:
        """The context of an HTTP request, or of the request that opened a WebSocket.

        access: what its token allows. None: it has none, or authentication is off.
        """
        name = services.actor_header
        actor = None if name is None else _actor(headers.get(name, ""))
        traceparent = traceparent_from(headers.get("traceparent"))
        if access is None and services.authentication is not None:
            access = ANONYMOUS
        if access is None:
            return cls(services, actor, traceparent, address=address)
        actor, rights = access.viewer.subject or actor, _rights(services, access)
        return cls(services, actor, traceparent, access=access, address=address, rights=rights)

    def with_access(self: _Own, access: Access) -> _Own:
        """The same request, with what its token allows. The token's subject is the actor, if it has one."""
        actor = access.viewer.subject or self.actor
        return replace(self, access=access, actor=actor, rights=_rights(self.services, access))

    @property
    def operates(self) -> bool:
        """Whether an operator asks, or authentication is off."""
        return operates(self.rights)

    def must_operate(self) -> None:
        """Raises Forbidden unless an operator asks, or authentication is off."""
        if not self.operates:
            raise Forbidden("this is for operators")

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
        return type(self)(
            self.services,
            self.actor,
            self.traceparent,
            self.resume_after,
            self.access,
            self.address,
            rights=self.rights,
        )


def operates(rights: Rights | None) -> bool:
    """Whether these rights are an operator's, or authentication is off.

    Others do not see what the code of the domain raised on an event: that can quote what they may not see.
    """
    return rights is None or rights.is_operator


def from_process(services: S) -> RequestContext[S]:
    """The context of a command line. The actor is the user of the operating system, or the user's number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return RequestContext(services, user)


def _rights(services: Services, access: Access) -> Rights:
    """What the viewer of a token may send and see. They are kept with the token, with what they resolve."""
    key = services.domain, services.operator_roles
    rights = access.rights.get(key)
    if rights is None:
        rights = access.rights[key] = services.domain.rights(access.viewer, services.operator_roles)
    return rights


def _actor(header: str) -> str | None:
    return header.encode("latin-1").decode("utf-8", "replace").replace("\0", "") or None
