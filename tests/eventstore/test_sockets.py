"""A connection whose network is lost ends, however silent it is."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable

import pytest
import uvloop

from commander.eventstore.sockets import SILENT_SECONDS, limit_silence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux'")


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_transport_over_tcp_has_the_limits(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def options() -> list[int]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        limit_silence(writer.transport)
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as own:
            found = [
                own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
                own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                + own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
                * own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            ]
        writer.close()
        limit_silence(writer.transport)  # a closed one is left alone
        server.close()
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(options()) == [1, SILENT_SECONDS * 1000, SILENT_SECONDS]


async def test_a_unix_socket_has_no_network() -> None:
    one, other = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=one)
    limit_silence(transport)
    transport.close()
    other.close()
