"""The ASGI application: GraphQL over HTTP, SSE, multipart and WebSocket at one URL, GraphiQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from cross_web import HTTPException
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL

from resolvers.services import Services
from schema.build import CommanderSchema
from schema.context import Context
from schema.errors import described
from schema.ide import Example, assets_app, graphiql_page
from schema.limits import BodyLimit

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_STATUS = {"UNAVAILABLE": 503, "OVERLOADED": 503, "INTERNAL": 500}


@dataclass(frozen=True)
class HttpSettings:
    """origins: other origins whose pages may call the API; '*' for all."""

    max_body_bytes: int = 1024 * 1024
    origins: tuple[str, ...] = ()
    connection_init_timeout_seconds: float = 10
    max_subscriptions_per_connection: int = 100


class Endpoint(GraphQL[Context, None]):
    """The endpoint /graphql. Every answer, an error of HTTP included, has the form of a GraphQL response."""

    def __init__(
        self,
        schema: CommanderSchema,
        services: Callable[[], Services],
        settings: HttpSettings,
        examples: Sequence[Example],
    ) -> None:
        super().__init__(
            schema,
            allowed_origins=settings.origins,
            connection_init_wait_timeout=timedelta(seconds=settings.connection_init_timeout_seconds),
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
        )
        self._services = services
        self._assets = assets_app()
        self._page = graphiql_page(examples)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await super().__call__(scope, receive, send)
            return
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self.run(request)
        except HTTPException as error:
            return _error(error.status_code, error.reason, {"code": "BAD_REQUEST"})
        except Exception as error:  # nothing but a GraphQL response may leave
            message, extensions = described(error)
            return _error(_STATUS.get(extensions["code"], 400), message, extensions)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return Context(self._services(), request)

    async def render_graphql_ide(self, request: Request) -> Response:
        headers = {} if self._assets is None else {"content-security-policy": _CONTENT_SECURITY_POLICY}
        return HTMLResponse(self._page, headers=headers)

    def decode_json(self, data: str | bytes) -> object:
        try:
            return json.loads(data)
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from error

    def parse_json(self, data: str | bytes) -> Any:
        try:
            parsed = self.decode_json(data)
        except json.JSONDecodeError as error:
            raise HTTPException(400, f"the request is not JSON: {error}") from error
        if not isinstance(parsed, dict | list):
            raise HTTPException(400, "the request must be a JSON object with a query")
        return parsed

    def encode_json(self, data: object) -> str:
        return msgspec.json.encode(data).decode()


def application(
    schema: CommanderSchema,
    services: Callable[[], Services],
    settings: HttpSettings,
    routes: Sequence[BaseRoute] = (),
    examples: Sequence[Example] = (),
) -> Starlette:
    """The whole application. services raises Unavailable until the process has connected."""
    endpoint = Endpoint(schema, services, settings, examples)
    served: list[BaseRoute] = [
        Route("/", lambda _: RedirectResponse("/graphql")),
        Route("/graphql", endpoint),
        WebSocketRoute("/graphql", endpoint),
        *routes,
    ]
    if (assets := assets_app()) is not None:
        served.append(Mount("/graphiql-assets", assets))
    middleware = [Middleware(BodyLimit, max_bytes=settings.max_body_bytes)]
    if settings.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )
        middleware.insert(0, cors)
    return Starlette(routes=served, middleware=middleware)


def _error(status: int, message: str, extensions: Mapping[str, Any]) -> Response:
    return JSONResponse({"errors": [{"message": message, "extensions": extensions}]}, status_code=status)
