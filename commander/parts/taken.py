"""How much of what was sent the other end of a TCP connection has taken. Only Linux tells."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress

_BYTES_ACKED = 120
"""The offset of tcpi_bytes_acked, 64 bits, in the tcp_info of Linux 4.1 and later."""


def taken_bytes(transport: asyncio.BaseTransport) -> int:
    """How many bytes the other end has acknowledged, from the beginning. 0 if it is unknown."""
    sock = transport.get_extra_info("socket")
    if sock is None or not sys.platform.startswith("linux"):
        return 0
    with suppress(OSError, ValueError, struct.error):  # it is closed, or it is no TCP socket
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        return int(struct.unpack_from("Q", info, _BYTES_ACKED)[0])
    return 0


def waiting_bytes(transport: asyncio.WriteTransport) -> int:
    """How many bytes were sent and are not acknowledged. Without Linux, only those in this process."""
    waiting = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is None or not sys.platform.startswith("linux"):
        return waiting
    import fcntl
    import termios

    unsent = bytearray(4)
    with suppress(OSError, ValueError):
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, unsent)
    return waiting + int.from_bytes(unsent, sys.byteorder)


def end_when_untaken(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Lets the system end the connection if the other end takes nothing of what waits for so long.

    RFC 5482. Linux counts the time of a closed window too, since 5.11.
    """
    sock = transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError, ValueError):  # it is not a TCP socket
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
