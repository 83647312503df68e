"""How long a connection may be silent: both the operating system's part of it and the server's.

A network that drops packets ends no connection. A peer that has sent something waits for the
acknowledgement for a quarter of an hour, and one that only listens waits for ever. Keepalives alone do
not help: they are not sent while data is unacknowledged. So each of our connections has both limits, on
both sides.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

SILENT_SECONDS = 6
"""After so long without an acknowledgement, the network to the other side counts as lost."""
KEEPALIVE_IDLE_SECONDS = 2
KEEPALIVE_INTERVAL_SECONDS = 1
KEEPALIVES = SILENT_SECONDS - KEEPALIVE_IDLE_SECONDS

_OPTIONS = {
    "TCP_KEEPIDLE": KEEPALIVE_IDLE_SECONDS,
    "TCP_KEEPALIVE": KEEPALIVE_IDLE_SECONDS,  # the same on macOS
    "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_SECONDS,
    "TCP_KEEPCNT": KEEPALIVES,
    "TCP_USER_TIMEOUT": SILENT_SECONDS * 1000,
}


def limit_silence(transport: Any) -> None:
    """Ends the connection of this transport, on this side, when the network to the other side is lost.

    An option that the system does not have is left out. Does nothing for a Unix socket or a closed transport.
    """
    own = transport.get_extra_info("socket")
    if own is None or own.family not in (socket.AF_INET, socket.AF_INET6) or own.fileno() < 0:
        return
    with socket.socket(
        own.family, own.type, own.proto, os.dup(own.fileno())
    ) as shared:  # uvloop's sets no options
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS.items():
            if (option := getattr(socket, name, None)) is not None:
                with contextlib.suppress(OSError):
                    shared.setsockopt(socket.IPPROTO_TCP, option, value)
