"""GET /graphql/schema.graphql: the schema as text, in the Schema Definition Language.

Code generators and linters read it there. It has all that introspection shows the viewer, and @oneOf.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from commander.resolvers.allowances import RateLimited
from commander.resolvers.services import Services
from commander.schema.execution.gate import INTROSPECTION, OperationRejected
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.signing_in import context_of
from commander.schema.http.wire import error_response

_FORBIDDEN = 403


@lru_cache(maxsize=32)
def _etag(text: str) -> str:
    return f'"{sha256(text.encode()).hexdigest()[:32]}"'


def schema_text(
    schema: CommanderSchema, services: Callable[[], Services]
) -> Callable[[Request], Awaitable[Response]]:
    """Answers with the schema to those whose introspection the gate admits. Others get its errors and 403.

    Caches must ask each time whether the text is still this one: it changes with the code.
    """

    async def respond(request: Request) -> Response:
        try:
            context = await context_of(services(), request)
            schema.gate.admit(INTROSPECTION, None, None, context)
        except OperationRejected as rejected:
            if isinstance(rejected.__cause__, RateLimited):
                return error_response(request, rejected.__cause__)
            return JSONResponse({"errors": [error.formatted for error in rejected.errors]}, _FORBIDDEN)
        except Exception as error:
            return error_response(request, error)
        text = f"{schema.gate.text_for(context, schema.sdl)}\n"
        etag = _etag(text)
        headers = {"etag": etag, "cache-control": "no-cache"}
        if schema.gate.hides:
            headers |= {"cache-control": "private, no-cache", "vary": "authorization"}
        if etag in _seen(request):
            return Response(status_code=304, headers=headers)
        return Response(text, headers=headers, media_type="text/plain; charset=utf-8")

    return respond


def _seen(request: Request) -> list[str]:
    """The ETags that a client or a cache has. A weak one is as good: RFC 9110, section 13.1.2."""
    header = request.headers.get("if-none-match", "")
    return [one.strip().removeprefix("W/") for one in header.split(",")]
