"""Whose allowance an operation uses: that of its viewer, or that of its address if nobody is signed in."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from commander.resolvers.request_context import RequestContext

_NETWORK_BITS = 64
"""A subscriber of IPv6 has a network of at least so many bits, and can use any address in it."""


def payer(context: RequestContext[Any]) -> Hashable:
    """The client whose allowance is used.

    Behind a gateway the address is that of the gateway, unless COMMANDER_TRUSTED_PROXIES names it.
    """
    subject = context.viewer.subject
    return client_at(context.address) if subject is None else (subject,)  # no subject equals an address


def client_at(address: str | None) -> str:
    """The client at this address. All addresses of one network of IPv6 are one client."""
    if address is None:  # a Unix socket has none
        return ""
    return _network_of(address) if ":" in address else address


@lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _NETWORK_BITS << _NETWORK_BITS)}/{_NETWORK_BITS}"
