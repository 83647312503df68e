"""What Commander relies on in uvicorn."""

from __future__ import annotations

import inspect

from commander.parts.frame_protocol import FrameProtocol
from commander.parts.http_protocol import RequestProtocol
from tests.private_parts.relying import overrides, parameters, relied_on, uses


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


@relied_on("commander/parts/frame_protocol.py", "uvicorn", "how WebSocketsSansIOProtocol pings and receives")
def test_the_protocol_pings_with_a_timer_for_the_answer_and_passes_messages_in_one_method() -> None:
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol as Protocol

    overrides(
        FrameProtocol,
        Protocol,
        *("data_received", "send_receive_event_to_app", "send_keepalive_ping", "keepalive_timeout"),
    )
    uses(Protocol.send_keepalive_ping, "pong_timer", "ping_timeout", "keepalive_timeout", "transport")
    uses(Protocol.keepalive_timeout, "close_sent", "transport")
    uses(Protocol.send_receive_event_to_app, "frames", "curr_msg_data_type", "close_sent")
    uses(Protocol.handle_parser_exception, "close_sent", "data_to_send")
    uses(Protocol.handle_connect, "handshake_initiated", "handshake_complete", "conn")
    uses(Protocol.__init__, "close_timeout", "ServerProtocol")


@relied_on("commander/parts/http_protocol.py", "uvicorn", "the callbacks and the state of HttpToolsProtocol")
def test_the_http_protocol_has_a_callback_for_each_part_of_a_request() -> None:
    from uvicorn.protocols.http.httptools_impl import STATUS_LINE
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol

    overrides(
        RequestProtocol,
        Protocol,
        *("connection_made", "connection_lost", "data_received", "on_message_begin", "on_headers_complete"),
        *("on_body", "on_message_complete", "handle_websocket_upgrade", "send_400_response"),
    )
    uses(Protocol.__init__, "timeout_keep_alive", "connections", "cycle", "flow", "loop")
    uses(Protocol.on_response_complete, "timeout_keep_alive")
    uses(Protocol.connection_made, "connections", "transport")
    uses(Protocol.data_received, "send_400_response", "handle_websocket_upgrade")
    assert STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")


@relied_on(
    "commander/parts/asgi_server.py", "uvicorn", "a class, or a function, for the protocols in its Config"
)
def test_the_server_calls_what_its_settings_have_as_the_http_protocol() -> None:
    from uvicorn import Config, Server

    uses(Config.load, "http", "http_protocol_class")
    uses(Server.startup, "http_protocol_class")


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
