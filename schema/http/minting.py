"""POST /graphql/token: a token for the box of GraphiQL, only with the key of development."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from commander.domain.errors import CommanderError
from commander.schema.http.negotiation import is_json
from commander.schema.http.wire import HttpError, error_response

Mint = Callable[[str, Sequence[str], float], str]
"""From a subject, its roles and minutes to a token. Raises InvalidRequest."""


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    subject: str
    roles: list[str] = []
    minutes: float = 60


def minting(mint: Mint) -> Callable[[Request], Awaitable[Response]]:
    """Answers {"subject", "roles", "minutes"} with {"token"}.

    A page of another origin cannot ask: JSON makes the browser ask for permission first.
    """

    async def respond(request: Request) -> Response:
        try:
            if not is_json(request.headers.get("content-type")):
                raise HttpError(415, "the request's content-type must be application/json, in UTF-8")
            wanted = msgspec.json.decode(await request.body(), type=_Wanted)
            token = mint(wanted.subject, wanted.roles, wanted.minutes)
        except msgspec.DecodeError as error:
            return error_response(request, HttpError(400, f"the request cannot be read: {error}"))
        except (HttpError, CommanderError) as error:
            return error_response(request, error)
        return JSONResponse({"token": token}, headers={"cache-control": "no-store"})

    return respond
