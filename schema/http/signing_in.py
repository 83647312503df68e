"""The token of a request or of a WebSocket, and the end of a WebSocket whose token has ended.

A WebSocket signs in with the payload of connection_init: {"authorization": "Bearer …"}, or the same under
`headers`, as some clients send it. Without one, the header of the request that opened it counts.

Close codes: 4401 for a token that is not accepted, which clients take as final. 4403 for one that has ended:
they connect again, with a fresh one. (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from commander.domain.errors import CommanderError, TokenExpired, Unauthenticated
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.schema.errors import message_and_extensions

_AUTHORIZATION = "authorization"
_AUTHORIZATION_HEADER = _AUTHORIZATION.encode()
_UNAUTHENTICATED = 4401
_EXPIRED = 4403
_TRY_AGAIN_LATER = 1013


class EndingSocket(Protocol):
    """What signing in needs of a WebSocket."""

    ws: Any

    async def close(self, code: int, reason: str) -> None: ...

    async def end(self, messages: Iterable[Mapping[str, object]], code: int, reason: str) -> None:
        """Sends these messages, and nothing after them, and closes the connection."""


class SigningIn:
    """Signs one WebSocket in. `until`: leave it when the connection has ended."""

    def __init__(self, socket: EndingSocket) -> None:
        self.until = ExitStack()
        self._socket = socket
        self._ending: asyncio.Task[None] | None = None

    async def signed_in(
        self,
        context: Context,
        payload: Mapping[str, Any] | None,
        last: Callable[[dict[str, Any]], Iterable[Mapping[str, object]]],
    ) -> Context | CommanderError:
        """The context with what the token allows, or the error for which the connection was not accepted.

        last: makes the last messages of the connection from the error that ends it.
        """
        authentication = context.services.authentication
        if authentication is None:
            return context

        def end(error: TokenExpired) -> None:
            ended = ended_error(error)
            self._ending = asyncio.create_task(self._socket.end(last(ended), _EXPIRED, ended["message"]))

        try:
            given = _in_payload(payload or {})
            if given is None:
                given = authorization_of(self._socket.ws.headers)
            access = await authentication.access(given)
            self.until.enter_context(authentication.streams.opened(access, end))
        except CommanderError as error:
            return error
        return context.with_access(access)

    async def refuse(self, error: CommanderError) -> None:
        """Closes the connection for the reason that it was not accepted."""
        code = _TRY_AGAIN_LATER
        if isinstance(error, Unauthenticated):
            code = _EXPIRED if isinstance(error, TokenExpired) else _UNAUTHENTICATED
        shown = ended_error(error)
        await self._socket.close(code, f"{shown['extensions']['code']}: {shown['message']}")


async def context_of(services: Services, request: HTTPConnection) -> Context:
    """The context of an HTTP request.

    Raises TokenExpired, Unauthenticated, and Unavailable if the keys of the issuer are not known.
    """
    headers, access = request.headers, None
    if services.authentication is not None:
        access = await services.authentication.access(authorization_of(headers))
    return Context.from_headers(services, headers, access, address_of(request))


def address_of(request: HTTPConnection) -> str | None:
    """The address that a request comes from. None if it has none: a Unix socket."""
    client = request.scope.get("client")
    return client[0] if client else None


def authorization_of(headers: Headers) -> str | None:
    """The header Authorization. None without it. Raises Unauthenticated if there are several."""
    given = [value for name, value in headers.raw if name == _AUTHORIZATION_HEADER]
    if len(given) > 1:
        raise Unauthenticated("the request has more than one header Authorization")
    return given[0].decode("latin-1") if given else None


def ended_error(error: CommanderError) -> dict[str, Any]:
    """The error as a GraphQL response has it."""
    message, extensions = message_and_extensions(error)
    return {"message": message, "extensions": extensions}


def _in_payload(payload: Mapping[str, Any]) -> str | None:
    """The authorization in the payload of connection_init. Raises Unauthenticated for another form."""
    headers = payload.get("headers")
    places = [payload, headers] if isinstance(headers, Mapping) else [payload]
    found = [value for place in places for name, value in place.items() if name.lower() == _AUTHORIZATION]
    if not found or found == [None]:
        return None
    if len(found) > 1 or not isinstance(found[0], str):
        raise Unauthenticated(
            "connection_init must have one authorization, a text: Bearer, a blank, the token"
        )
    return found[0]
