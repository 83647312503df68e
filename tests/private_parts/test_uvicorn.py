"""What Commander relies on in uvicorn."""

from __future__ import annotations

import inspect

from tests.private_parts.relying import (
    parameters,
    relied_on,
    uses,
)


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
