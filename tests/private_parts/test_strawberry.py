"""What Commander relies on in Strawberry."""

from __future__ import annotations

import asyncio

from tests.private_parts.relying import (
    accepts,
    begins_with,
    overrides,
    parameters,
    relied_on,
    uses,
)


@relied_on(
    "schema/execution/operations.py", "strawberry-graphql", "Schema._schema being graphql-core's schema"
)
def test_the_schema_has_graphql_core_s_and_its_executor() -> None:
    import strawberry
    from graphql import GraphQLSchema
    from graphql.execution import Executor

    @strawberry.type
    class Query:
        one: int

    schema = strawberry.Schema(Query)
    assert isinstance(schema._schema, GraphQLSchema)
    assert issubclass(schema.execution_context_class, Executor)
    assert schema.config.name_converter.from_type(Query.__strawberry_definition__) == "Query"  # type: ignore[attr-defined]
    assert schema.config.name_converter.get_graphql_name(Query.__strawberry_definition__.fields[0]) == "one"  # type: ignore[attr-defined]


@relied_on(
    "schema/execution/operations.py", "strawberry-graphql", "what calls Schema.execute and Schema.stream"
)
def test_the_schema_executes_and_streams() -> None:
    import strawberry

    from commander.schema.execution.operations import CommanderSchema

    ours = [
        name for name in parameters(strawberry.Schema.execute) if name in parameters(CommanderSchema.execute)
    ]
    assert ours == parameters(CommanderSchema.execute)
    for name in parameters(CommanderSchema.stream):
        accepts(strawberry.Schema.stream, name)


@relied_on(
    "schema/execution/operations.py, schema/execution/following.py",
    "strawberry-graphql",
    "optimized_is_awaitable",
)
def test_strawberry_knows_what_can_be_awaited() -> None:
    from strawberry.execution.is_awaitable import optimized_is_awaitable

    future = asyncio.Future[None](loop=asyncio.new_event_loop())
    assert optimized_is_awaitable(future)
    assert not optimized_is_awaitable("text")
    future.get_loop().close()


@relied_on(
    "schema/http/endpoint.py", "strawberry-graphql", "the steps of AsyncBaseHTTPView.run, which it replaces"
)
def test_the_view_runs_a_request_by_steps_that_can_be_replaced() -> None:
    from strawberry.asgi import GraphQL

    from commander.schema.http.endpoint import Endpoint

    steps = ("parse_http_body", "execute_operation", "process_result", "get_context", "render_graphql_ide")
    overrides(
        Endpoint, GraphQL, "execute_single", "_get_stream_transport", "encode_json", "decode_json", *steps
    )
    uses(
        GraphQL.run,
        "parse_http_body",
        "execute_operation",
        "request_data",
        "context",
        "_create_streaming_response",
    )
    uses(GraphQL.execute_operation, "execute_single", "_get_stream_transport", "protocol")
    uses(
        GraphQL.run,
        "graphql_transport_ws_handler_class",
        "graphql_ws_handler_class",
        "websocket_adapter_class",
    )
    accepts(
        GraphQL.__init__,
        "connection_init_wait_timeout",
        "max_subscriptions_per_connection",
        "allowed_origins",
    )
    accepts(GraphQL.__init__, "subscription_protocols", "keep_alive", "keep_alive_interval")


@relied_on("schema/http/sse.py", "strawberry-graphql", "the methods by which SSETransport encodes")
def test_a_transport_encodes_by_methods() -> None:
    from strawberry.http.streaming import MultipartSubscriptionTransport, SSETransport

    from commander.schema.http.sse import CursorEvents

    overrides(CursorEvents, SSETransport, "encode_next", "encode_complete", "heartbeat_message")
    assert SSETransport(heartbeat_interval=3).heartbeat_interval == 3
    assert MultipartSubscriptionTransport().heartbeat_interval > 0


@relied_on("schema/http/multipart.py", "strawberry-graphql", "the headers of both kinds of streams")
def test_streams_have_headers() -> None:
    from strawberry.http.streaming import MultipartSubscriptionTransport, SSETransport

    assert "x-accel-buffering" in {name.lower() for name in SSETransport.headers}
    assert "content-type" in {name.lower() for name in MultipartSubscriptionTransport().headers}


@relied_on("schema/http/websocket.py", "strawberry-graphql", "ASGIWebSocketAdapter")
def test_the_websocket_adapter_sends_and_receives() -> None:
    from strawberry.asgi import ASGIWebSocketAdapter

    from commander.schema.http.websocket import CheckedWebSocket

    overrides(CheckedWebSocket, ASGIWebSocketAdapter, "iter_json", "send_json", "close")
    uses(ASGIWebSocketAdapter.__init__, "ws")
    uses(ASGIWebSocketAdapter.iter_json, "NonTextMessageReceived", "NonJsonMessageReceived", "ws")


@relied_on("schema/http/websocket.py", "strawberry-graphql", "the handler of graphql-transport-ws")
def test_the_handler_of_graphql_transport_ws_runs_operations() -> None:
    from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
        BaseGraphQLTransportWSHandler as Handler,
    )
    from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import Operation

    from commander.schema.http.websocket import TransportProtocol

    overrides(TransportProtocol, Handler, "run_operation", "handle_subscribe", "handle_task_exception")
    uses(Handler.__init__, "schema", "context", "websocket", "operations", "connection_acknowledged")
    uses(Handler.handle_subscribe, "run_operation", "operations", "max_subscriptions_per_connection")
    uses(Operation.__init__, "id", "query", "variables", "operation_name")
    begins_with(Operation.send_initial_errors, "self", "errors")
    begins_with(Operation.send_next, "self", "execution_result")
    begins_with(Operation.send_operation_message, "self", "message")


@relied_on("schema/http/websocket.py", "strawberry-graphql", "the handler of the legacy protocol graphql-ws")
def test_the_handler_of_graphql_ws_runs_operations() -> None:
    from strawberry.subscriptions.protocols.graphql_ws.handlers import BaseGraphQLWSHandler as Handler

    from commander.schema.http.websocket import LegacyProtocol

    overrides(
        LegacyProtocol, Handler, "handle", "handle_connection_init", "handle_start", "handle_async_results"
    )
    uses(Handler.__init__, "schema", "view", "tasks", "connection_acknowledged")
    uses(Handler.handle_start, "handle_async_results", "tasks", "max_subscriptions_per_connection")
    uses(Handler.handle_async_results, "schema", "subscribe", "query", "variable_values", "context_value")


@relied_on("schema/types/filters.py", "strawberry-graphql", "a type's definition being open to more fields")
def test_fields_are_added_to_a_definition() -> None:
    import strawberry
    from strawberry.annotation import StrawberryAnnotation
    from strawberry.types.field import StrawberryField

    @strawberry.type
    class Query:
        one: int

    field = StrawberryField(
        python_name="two", graphql_name="second", type_annotation=StrawberryAnnotation(int), default=2
    )
    Query.__strawberry_definition__.fields.append(field)  # type: ignore[attr-defined]
    assert "second: Int!" in strawberry.Schema(Query).as_str()


@relied_on("schema/types/unique_rows.py", "strawberry-graphql", "a field's arguments being open to more")
def test_an_argument_is_added_to_a_field() -> None:
    import strawberry
    from strawberry.annotation import StrawberryAnnotation
    from strawberry.types.arguments import StrawberryArgument

    def one(given: int) -> int:
        return given

    field = strawberry.field(one)
    field.arguments = [StrawberryArgument("more", "more", StrawberryAnnotation(str)), *field.arguments]
    query = strawberry.type(type("Query", (), {"one": field, "__annotations__": {}}))
    assert "one(more: String!, given: Int!): Int!" in strawberry.Schema(query).as_str()
