"""The endpoint /graphql: GraphQL over HTTP, SSE, multipart and WebSocket at one URL, and GraphiQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cross_web import AsyncHTTPRequestAdapter
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.streaming import HTTPStreamTransport
from strawberry.http.types import QueryParams
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_WS_PROTOCOL
from strawberry.types import ExecutionResult

from commander.domain.errors import CommanderError, NotServing, TokenExpired, Unauthenticated
from commander.resolvers.payers import client_at, payer
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.schema.errors import is_request_error
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.answering import Answering
from commander.schema.http.built_pages import assets_app
from commander.schema.http.connections import Lasting, Streams, close_source
from commander.schema.http.csrf import must_not_be_forged
from commander.schema.http.departures import CLIENT_GONE, ClientGone
from commander.schema.http.document_ids import has_document_id
from commander.schema.http.graphiql_page import DIST, Acting, Example, graphiql_page
from commander.schema.http.messages import closing_reason
from commander.schema.http.multipart import Parts
from commander.schema.http.requests import GivenRequest, checked, posted
from commander.schema.http.signing_in import address_of, context_of, ended_error
from commander.schema.http.sse import CursorEvents, last_event_id, with_cursor
from commander.schema.http.websocket import CheckedWebSocket, LegacyProtocol, TransportProtocol
from commander.schema.http.wire import (
    HttpError,
    decoded_json,
    encoded_json,
    error_response,
    request_in_url,
    value_in_body,
)

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SUBPROTOCOLS = (GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_WS_PROTOCOL)
_TRY_AGAIN_LATER = 1013
"""https://www.iana.org/assignments/websocket/websocket.xhtml"""


@dataclass(frozen=True)
class HttpSettings:
    """The settings of the endpoint.

    origins: other origins whose pages may call the API; '*' for all.
    requires_preflight: whether an operation by GET needs a header for which browsers ask first.
    keep_alive_seconds: how often a keep-alive is sent on SSE, multipart and legacy WebSocket connections.
    acting: how GraphiQL offers to act as somebody; see graphiql_page.
    """

    max_body_bytes: int = 1024 * 1024
    origins: tuple[str, ...] = ()
    requires_preflight: bool = False
    connection_init_timeout_seconds: float = 10
    max_subscriptions_per_connection: int = 100
    keep_alive_seconds: float = 15
    acting: Acting | None = None


class _Single(Exception):
    """Raised for a request that needs one answer and no stream."""

    def __init__(self, data: GivenRequest) -> None:
        super().__init__()
        self.data = data


class Endpoint(GraphQL[Context, None]):
    """Every answer has the form of a GraphQL response, also an HTTP error."""

    websocket_adapter_class = CheckedWebSocket
    graphql_transport_ws_handler_class = TransportProtocol
    graphql_ws_handler_class = LegacyProtocol
    schema: CommanderSchema

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
            subscription_protocols=_SUBPROTOCOLS,
            allowed_origins=settings.origins,
            connection_init_wait_timeout=timedelta(seconds=settings.connection_init_timeout_seconds),
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
            keep_alive=True,
            keep_alive_interval=settings.keep_alive_seconds,
        )
        self._transports: Mapping[str, CursorEvents | Parts] = {
            "sse": CursorEvents(settings.keep_alive_seconds),
            "multipart-subscription": Parts(settings.keep_alive_seconds),
        }
        self.max_message_bytes = settings.max_body_bytes
        self._services = services
        self._requires_preflight = settings.requires_preflight
        self._answering = Answering(schema)
        self._streams = streams
        self._assets = assets_app(DIST)
        self._page = graphiql_page(
            examples, keep_alive_seconds=settings.keep_alive_seconds, acting=settings.acting
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self._respond(request)
        if isinstance(response, StreamingResponse):
            try:
                self._streams.must_take_another()
            except CommanderError as error:
                await close_source(response)
                response = error_response(request, error)
            else:
                try:
                    await self._streams.serve(response, scope, receive, send, self._lasting(request))
                    return
                except TokenExpired as error:
                    response = error_response(request, error)
        await response(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Closes the WebSocket with 1013 (try again later) if this process cannot serve it now."""
        try:
            self._services()
            self._streams.must_take_another()
        except CommanderError as error:
            socket = WebSocket(scope, receive, send)
            await socket.accept(next((p for p in scope["subprotocols"] if p in _SUBPROTOCOLS), None))
            await socket.close(_TRY_AGAIN_LATER, closing_reason(str(error)))
        else:
            with self._streams.counted():
                await super().__call__(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            if request.method not in ("GET", "POST"):
                raise HttpError(405, "GraphQL only supports GET and POST requests.", "GET, POST")
            await self._must_have_operation(request)
            if request.method == "POST":
                data = posted(self.schema.gate, request.headers, await request.body())
                if not isinstance(data, GivenRequest):
                    return await self._answering.all(
                        await context_of(self._services(), request), request, data
                    )
                if data.protocol == "http":
                    return await self._answering.one(
                        await context_of(self._services(), request), request, data
                    )
            try:
                return await self.run(request)
            except _Single as single:
                return await self._answering.one(
                    await context_of(self._services(), request), request, single.data
                )
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
        except Exception as error:  # every error becomes a GraphQL response
            return error_response(request, error)

    async def _must_have_operation(self, request: Request) -> None:
        """Raises RateLimited before the request is read: to parse and to validate a document is work too.

        A token that is not accepted uses the allowance of the address.
        """
        with suppress(NotServing):
            services = self._services()
            if (allowances := services.allowances) is None:
                return
            try:
                client = payer(await context_of(services, request))
            except Unauthenticated:
                allowances.take_operation(client_at(address_of(request)))
                raise
            allowances.must_have_operation(client)

    def _lasting(self, request: Request) -> Lasting | None:
        """How long the streamed response to this request may last. None: as long as it likes."""
        context: Context | None = getattr(request.state, "context", None)
        if context is None or context.access is None or context.services.authentication is None:
            return None
        transport = self._transports[request.state.protocol]

        def last(error: TokenExpired) -> bytes:
            response: Any = {"data": None, "errors": [ended_error(error)]}
            return transport.encode_last(response, self.encode_json).encode()

        return Lasting(context.services.authentication.streams, context.access, last)

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GivenRequest:
        """Reads a request that Strawberry handles: by GET, or for a stream."""
        if request.method == "POST":
            given = value_in_body(await request.get_body())
        else:
            must_not_be_forged(request.headers, self.allowed_origins, strict=self._requires_preflight)
            given = self.parse_query_params(request.query_params)
        return checked(self.schema.gate, given, request.method, request.headers)

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """A browser without an operation gets GraphiQL. A request with the id of a document has one."""
        return super().should_render_graphql_ide(request) and not has_document_id(request.query_params)

    async def execute_operation(self, *args: Any, **kwargs: Any) -> Any:
        """An SSE stream resumes after the header Last-Event-ID."""
        request, protocol = kwargs["request"], kwargs["request_data"].protocol
        request.state.context, request.state.protocol = kwargs["context"], protocol
        if protocol == "sse":
            seen = last_event_id(request.headers.get("last-event-id"))
            kwargs["context"] = replace(kwargs["context"], resume_after=seen)
        return await super().execute_operation(*args, **kwargs)

    async def execute_single(  # the signature is Strawberry's
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """Strawberry calls this for a GET request that needs one answer. Answering answers it."""
        assert isinstance(request_data, GivenRequest)
        raise _Single(request_data)

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Removes `data` from the answer to a request that was not executed."""
        response = await super().process_result(request, result)
        if is_request_error(result):
            response.pop("data", None)
        return with_cursor(response, result)

    def _get_stream_transport(self, protocol: str) -> HTTPStreamTransport | None:
        return self._transports.get(protocol)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """That of a WebSocket has no viewer before connection_init; see signing_in.py."""
        if isinstance(request, Request):
            return await context_of(self._services(), request)
        return Context.from_headers(self._services(), request.headers, address=address_of(request))

    async def render_graphql_ide(self, request: Request) -> Response:
        headers = {"cross-origin-opener-policy": "same-origin"}
        if self._assets is not None:
            headers["content-security-policy"] = _CONTENT_SECURITY_POLICY
        return HTMLResponse(self._page, headers=headers)

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        return request_in_url(params)

    def decode_json(self, data: str | bytes) -> object:
        return decoded_json(data)

    def encode_json(self, data: object) -> str:
        return encoded_json(data)
