"""The ports that `commander dev` gives to the parts, and whether they can be used."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from commander.dev.embedded import free_ports
from commander.domain import CommanderError
from commander.settings import Settings


class PortTaken(CommanderError):
    """A port is in use, or two servers are to have the same; the message names the setting to change."""


def operators_ports(settings: Settings, parts: Sequence[str]) -> dict[str, int]:
    """The operators' port of each part; see Settings.health_port."""
    first, count = settings.health_port, len(parts)
    if first:
        return dict(zip(parts, range(first, first + count), strict=True))
    # The port of the API is still free, so it may be found too.
    ports = [port for port in free_ports(count + 1, settings.health_host) if port != settings.port]
    return dict(zip(parts, ports[:count], strict=True))


def check_operators_ports(settings: Settings, parts: Sequence[str]) -> None:
    """Raises PortTaken if COMMANDER_HEALTH_PORT does not leave a free port for each part."""
    first = settings.health_port
    if not first:
        return
    ports = operators_ports(settings, parts)
    advice = (
        f"the parts use COMMANDER_HEALTH_PORT={first} and the {len(parts) - 1} ports after it; choose another"
    )
    for part, port in ports.items():
        if port > 65535:
            raise PortTaken(f"the operators' port of {part} is {port}, above 65535; {advice}")
        if port == settings.port:
            raise PortTaken(f"the operators' port of {part} is the port of the API, {port}; {advice}")
        check_port(settings.health_host, port, advice)


def check_port(host: str, port: int, advice: str) -> None:
    """Raises PortTaken if no server can listen on every address of the host."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in addresses:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}; {advice}") from None
