"""The ports of `commander dev` are checked before anything starts; each error is one sentence."""

from __future__ import annotations

import socket

import pytest

from commander.dev.embedded import free_port
from commander.dev.ports import PortTaken, check_operators_ports
from commander.settings import read_settings

PARTS = ("api", "processor", "relay")


def test_free_ports_are_accepted() -> None:
    check_operators_ports(read_settings(), PARTS)
    check_operators_ports(read_settings(health_port=free_port()), PARTS[:1])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"health_port": 65534}, "the operators' port of relay is 65536, above 65535; "),
        (
            {"health_port": 8069, "port": 8070},
            "the operators' port of processor is the port of the API, 8070; ",
        ),
    ],
)
def test_ports_that_cannot_be_used(settings: dict[str, int], problem: str) -> None:
    with pytest.raises(PortTaken) as caught:
        check_operators_ports(read_settings(**settings), PARTS)
    first = settings["health_port"]
    advice = f"the parts use COMMANDER_HEALTH_PORT={first} and the 2 ports after it; choose another"
    assert str(caught.value) == problem + advice


def test_a_port_in_use() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; "):
            check_operators_ports(read_settings(health_port=port), PARTS[:1])
