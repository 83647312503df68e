"""The ASGI application: GraphQL over HTTP, SSE, multipart and WebSocket at one URL, GraphiQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    GRAPHQL_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from commander.domain.errors import Unavailable
from resolvers.services import Services
from schema.context import Context
from schema.errors import described
from schema.execution import CommanderSchema
from schema.ide import Example, assets_app, graphiql_page
from schema.limits import BodyLimit
from schema.streams import Streams
from schema.websocket import CheckedWebSocket, closing_reason

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PROTOCOLS = (
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    GRAPHQL_WS_PROTOCOL,
    GRAPHQL_SSE_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
_NEEDS_STREAM = (
    "a subscription needs a stream: a WebSocket with the subprotocol graphql-transport-ws, or the header "
    "Accept: text/event-stream, or Accept: multipart/mixed;subscriptionSpec=1.0"
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

    websocket_adapter_class = CheckedWebSocket

    def __init__(
        self,
        schema: CommanderSchema,
        services: Callable[[], Services],
        settings: HttpSettings,
        examples: Sequence[Example],
        streams: Streams,
    ) -> None:
        super().__init__(
            schema,
            subscription_protocols=_PROTOCOLS,
            allowed_origins=settings.origins,
            connection_init_wait_timeout=timedelta(seconds=settings.connection_init_timeout_seconds),
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
        )
        self._services = services
        self._streams = streams
        self._assets = assets_app()
        self._page = graphiql_page(examples)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        response = await self._respond(Request(scope, receive))
        if isinstance(response, StreamingResponse):
            await self._streams.serve(response, scope, receive, send)
        else:
            await response(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until this process has reached its servers, a WebSocket is closed with 1013, try again later."""
        try:
            self._services()
        except Unavailable as error:
            socket = WebSocket(scope, receive, send)
            await socket.accept(next((p for p in scope["subprotocols"] if p in _PROTOCOLS), None))
            await socket.close(1013, closing_reason(str(error)))
        else:
            await super().__call__(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self.run(request)
        except HTTPException as error:
            return _error(error.status_code, error.reason, {"code": "BAD_REQUEST"})
        except InvalidOperationTypeError as error:
            return _error(400, error.as_http_error_reason(request.method), {"code": "BAD_REQUEST"})
        except Exception as error:  # nothing but a GraphQL response may leave
            message, extensions = described(error)
            return _error(_STATUS.get(extensions["code"], 400), message, extensions)

    async def execute_single(  # the signature is Strawberry's
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """One answer to one request: for a query or a mutation; a subscription needs a stream."""
        try:
            return await self.schema.execute(
                request_data.query,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=OperationType.from_http(request_adapter.method)
                - {OperationType.SUBSCRIPTION},
            )
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise HTTPException(400, _NEEDS_STREAM) from error
            raise

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return Context(self._services(), request)

    async def render_graphql_ide(self, request: Request) -> Response:
        headers = {} if self._assets is None else {"content-security-policy": _CONTENT_SECURITY_POLICY}
        return HTMLResponse(self._page, headers=headers)

    async def parse_http_body(
        self, request: AsyncHTTPRequestAdapter
    ) -> GraphQLRequestData | list[GraphQLRequestData]:
        data = await super().parse_http_body(request)
        if not isinstance(data, list):  # a batch was refused above
            if not data.query:
                raise HTTPException(400, "the request has no query")
            if not isinstance(data.operation_name, str | None):
                raise HTTPException(400, "operationName must be a string")
        return data

    def decode_json(self, data: str | bytes) -> object:
        try:
            return json.loads(data)
        except json.JSONDecodeError:
            raise
        except UnicodeDecodeError as error:
            raise json.JSONDecodeError("it is not UTF-8", "", error.start) from error
        except RecursionError as error:
            raise json.JSONDecodeError("it is nested too deep", "", 0) from error
        except ValueError as error:
            raise json.JSONDecodeError("a number has too many digits", "", 0) from error

    def parse_json(self, data: str | bytes) -> Any:
        try:
            parsed = self.decode_json(data)
        except json.JSONDecodeError as error:
            raise HTTPException(400, f"the request is not JSON: {error}") from error
        if not isinstance(parsed, dict | list):
            raise HTTPException(400, "the request must be a JSON object with a query")
        return parsed

    def encode_json(self, data: object) -> str:
        try:
            return msgspec.json.encode(data).decode()
        except UnicodeEncodeError:  # a message that repeats a client's lone surrogates
            return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()


def application(
    schema: CommanderSchema,
    services: Callable[[], Services],
    settings: HttpSettings,
    routes: Sequence[BaseRoute] = (),
    examples: Sequence[Example] = (),
    streams: Streams | None = None,
) -> Starlette:
    """The whole application. services raises Unavailable until the process has connected.

    streams: by which the streams are ended when the process is told to stop.
    """
    endpoint = Endpoint(schema, services, settings, examples, streams or Streams())
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
