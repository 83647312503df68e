"""The endpoint /graphql: GraphQL over HTTP, SSE, multipart and WebSocket at one URL, and GraphiQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cross_web import AsyncHTTPRequestAdapter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData, GraphQLRequestProtocol
from strawberry.http.streaming import HTTPStreamTransport
from strawberry.http.types import QueryParams
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from commander.domain.errors import CommanderError
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.schema.errors import is_request_error
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.connections import Streams, close_source
from commander.schema.http.departures import CLIENT_GONE, ClientGone, unless_gone
from commander.schema.http.graphiql_page import Example, assets_app, graphiql_page
from commander.schema.http.multipart import Parts
from commander.schema.http.negotiation import EVENT_STREAM, GRAPHQL_JSON, JSON, MULTIPART, carrier, is_json
from commander.schema.http.sse import CursorEvents, last_event_id, with_cursor
from commander.schema.http.websocket import (
    CheckedWebSocket,
    LegacyProtocol,
    TransportProtocol,
    closing_reason,
)
from commander.schema.http.wire import (
    HttpError,
    decoded_json,
    encoded_json,
    error_response,
    http_status_of,
    request_in_body,
    request_in_url,
)

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SUBPROTOCOLS = (GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_WS_PROTOCOL)
_NEEDS_STREAM = (
    "a subscription needs a stream: a WebSocket with the subprotocol graphql-transport-ws, or the header "
    "Accept: text/event-stream, or Accept: multipart/mixed;subscriptionSpec=1.0"
)
_TRY_AGAIN_LATER = 1013
"""https://www.iana.org/assignments/websocket/websocket.xhtml"""
_STREAM_PROTOCOLS: Mapping[str, GraphQLRequestProtocol] = {
    EVENT_STREAM: "sse",
    MULTIPART: "multipart-subscription",
}


@dataclass(frozen=True)
class HttpSettings:
    """The settings of the endpoint.

    origins: other origins whose pages may call the API; '*' for all.
    keep_alive_seconds: how often a keep-alive is sent on SSE, multipart and legacy WebSocket connections.
    """

    max_body_bytes: int = 1024 * 1024
    origins: tuple[str, ...] = ()
    connection_init_timeout_seconds: float = 10
    max_subscriptions_per_connection: int = 100
    keep_alive_seconds: float = 15


@dataclass
class _Request(GraphQLRequestData):
    """A request, the media type of its answer, and whether it is a mutation."""

    media_type: str = JSON
    is_mutation: bool = False


class _Single(Exception):
    """Raised for a request that needs one answer and no stream."""

    def __init__(self, data: _Request) -> None:
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
        self._transports: Mapping[str, HTTPStreamTransport] = {
            "sse": CursorEvents(settings.keep_alive_seconds),
            "multipart-subscription": Parts(settings.keep_alive_seconds),
        }
        self.max_message_bytes = settings.max_body_bytes
        self._services = services
        self._streams = streams
        self._assets = assets_app()
        self._page = graphiql_page(examples, keep_alive_seconds=settings.keep_alive_seconds)

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
                await self._streams.serve(response, scope, receive, send)
                return
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
            if request.method == "POST":
                data = self._checked_post(request.headers, await request.body())
                if data.protocol == "http":
                    return await self._answer(request, data)
            try:
                return await self.run(request)
            except _Single as single:
                return await self._answer(request, single.data)
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
        except Exception as error:  # every error becomes a GraphQL response
            return error_response(request, error)

    async def _answer(self, request: Request, data: _Request) -> Response:
        """The one answer to a query or a mutation. As application/json it always has status 200.

        Nearly all requests come here. Strawberry's own code, which handles every kind, takes twice as long.
        A query ends when its client goes. A mutation does not: it may have done half of its work.
        """
        services = self._services()
        if not data.is_mutation:
            services.database.must_take_another()
        work = self.schema.execute(
            data.query,
            variable_values=data.variables,
            context_value=Context.from_headers(services, request.headers),
            operation_name=data.operation_name,
        )
        result = await (work if data.is_mutation else unless_gone(request.receive, work))
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        refused = is_request_error(result)
        if not refused:
            answer["data"] = result.data
        if result.extensions:
            answer["extensions"] = result.extensions
        status = 200
        if refused and data.media_type == GRAPHQL_JSON:
            codes = [(error.extensions or {}).get("code", "") for error in result.errors or ()]
            status = max((http_status_of(code) for code in codes), default=400)
        media_type = f"{data.media_type}; charset=utf-8"
        return Response(encoded_json(answer), status, {"vary": "accept"}, media_type)

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> _Request:
        """Reads a request that Strawberry handles: by GET, or for a stream."""
        if request.method == "POST":
            return self._checked_post(request.headers, await request.get_body())
        return self._checked(self.parse_query_params(request.query_params), "GET", request.headers)

    def _checked_post(self, headers: Mapping[str, str], body: bytes | str) -> _Request:
        if not is_json(headers.get("content-type")):
            raise HttpError(415, "the request's content-type must be application/json, in UTF-8")
        return self._checked(self.parse_json(body), "POST", headers)

    def _checked(self, data: Mapping[str, Any], method: str, headers: Mapping[str, str]) -> _Request:
        """The request, with the media type of its answer. Raises HttpError for a wrong form."""
        query, name = data.get("query"), data.get("operationName")
        if not isinstance(query, str) or not query:
            raise HttpError(400, "the request has no query" if not query else "query must be a string")
        if not isinstance(name, str | None):
            raise HttpError(400, "operationName must be a string")
        for part in ("variables", "extensions"):
            if not isinstance(data.get(part), dict | None):
                raise HttpError(400, f"{part} must be an object")
        operation = self.schema.gate.operation_type(query, name)
        if operation is OperationType.MUTATION and method == "GET":
            raise HttpError(405, "mutations are not allowed when using GET", "POST")
        media_type = carrier(headers.get("accept"), operation)
        if media_type is None:
            needs_stream = operation is OperationType.SUBSCRIPTION
            raise HttpError(
                406, _NEEDS_STREAM if needs_stream else "the Accept header must allow application/json"
            )
        return _Request(
            query=query,
            variables=data.get("variables"),
            operation_name=name,
            extensions=data.get("extensions"),
            protocol=_STREAM_PROTOCOLS.get(media_type, "http"),
            media_type=media_type,
            is_mutation=operation is OperationType.MUTATION,
        )

    async def execute_operation(self, *args: Any, **kwargs: Any) -> Any:
        """An SSE stream resumes after the header Last-Event-ID."""
        if kwargs["request_data"].protocol == "sse":
            seen = last_event_id(kwargs["request"].headers.get("last-event-id"))
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
        """Strawberry calls this for a GET request that needs one answer. `_answer` answers it."""
        assert isinstance(request_data, _Request)
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
        return Context.from_headers(self._services(), request.headers)

    async def render_graphql_ide(self, request: Request) -> Response:
        headers = {} if self._assets is None else {"content-security-policy": _CONTENT_SECURITY_POLICY}
        return HTMLResponse(self._page, headers=headers)

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        return request_in_url(params)

    def parse_json(self, data: str | bytes) -> Any:
        return request_in_body(data)

    def decode_json(self, data: str | bytes) -> object:
        return decoded_json(data)

    def encode_json(self, data: object) -> str:
        return encoded_json(data)
