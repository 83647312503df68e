"""A network that a test can cut: each part in a network namespace of its own, and a router between all.

The router drops packets without a word, as a network that is lost does, one way or both ways.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from enum import StrEnum
from random import SystemRandom
from types import TracebackType


class Cut(StrEnum):
    """Which packets between a part and a server are dropped."""

    BOTH_WAYS = "both ways"
    TO_SERVER = "to the server"
    FROM_SERVER = "from the server"


def missing() -> str | None:
    """What this machine lacks for such a network; None if nothing."""
    if not sys.platform.startswith("linux") or shutil.which("ip") is None:
        return "needs Linux and the command ip (iproute2)"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    name = f"commander-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"may not make network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


class Network:
    """Exists from entering to leaving. The tests' own process and the servers have two addresses in it."""

    def __init__(self) -> None:
        self._prefix = ""
        self._name = f"cmdr{os.getpid()}"
        self._used = 1  # the first four addresses are the router's and the tests' own
        self._names: list[str] = []
        self._addresses: dict[str, str] = {}
        self._cuts: set[tuple[str, str]] = set()

    @property
    def servers(self) -> tuple[str, str]:
        """Two addresses of the tests' own process: of Postgres and of NATS."""
        return f"{self._prefix}.2", f"{self._prefix}.3"

    def __enter__(self) -> Network:
        self._prefix = _free_prefix()
        hub = self._add_namespace("hub")
        _ip(f"link add {self._name} type veth peer name uplink netns {hub}")
        try:
            for address in self.servers:
                _ip(f"addr add {address}/29 dev {self._name}")
            _ip(f"link set {self._name} up")
            _ip(f"-n {hub} addr add {self._prefix}.1/29 dev uplink")
            _ip(f"-n {hub} link set uplink up")
            _ip(f"route add {self._prefix}.0/24 via {self._prefix}.1")
            _ip(f"netns exec {hub} sh -c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        except BaseException:
            self._delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._delete()

    def add(self, name: str) -> str:
        """A namespace for a part; the name to give to PartProcess."""
        namespace, hub = self._add_namespace(name), self._names[0]
        self._used += 1
        router, own = f"{self._prefix}.{4 * self._used + 1}", f"{self._prefix}.{4 * self._used + 2}"
        _ip(f"-n {hub} link add {name} type veth peer name uplink netns {namespace}")
        _ip(f"-n {hub} addr add {router}/30 dev {name}")
        _ip(f"-n {hub} link set {name} up")
        _ip(f"-n {namespace} addr add {own}/30 dev uplink")
        _ip(f"-n {namespace} link set uplink up")
        _ip(f"-n {namespace} link set lo up")
        _ip(f"-n {namespace} route add default via {router}")
        self._addresses[namespace] = own
        return namespace

    @property
    def namespaces(self) -> Collection[str]:
        """Those of parts."""
        return self._addresses.keys()

    def namespace(self, name: str) -> str:
        """The namespace of the part with this name."""
        return f"{self._name}-{name}"

    def address(self, namespace: str) -> str:
        return self._addresses[namespace]

    def cut(self, namespace: str, server: str, cut: Cut) -> None:
        """Drops packets between a part and a server's address, until `heal`."""
        part = self.address(namespace)
        ways = {Cut.TO_SERVER: {(part, server)}, Cut.FROM_SERVER: {(server, part)}}
        for way in ways.get(cut, {(part, server), (server, part)}):
            _ip(f"-n {self._names[0]} rule add from {way[0]} to {way[1]} blackhole")
            self._cuts.add(way)

    def heal(self) -> None:
        """Lets all packets through again."""
        while self._cuts:
            one, other = self._cuts.pop()
            _ip(f"-n {self._names[0]} rule del from {one} to {other} blackhole")

    def _add_namespace(self, name: str) -> str:
        namespace = self.namespace(name)
        _ip(f"netns add {namespace}")
        self._names.append(namespace)
        return namespace

    def _delete(self) -> None:
        for namespace in self._names:
            subprocess.run(["ip", "netns", "del", namespace], check=False)  # its links go with it


def _free_prefix() -> str:
    random = SystemRandom()
    while True:
        prefix = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
        if not _ip(f"route show root {prefix}.0/24").strip():
            return prefix


def _ip(command: str, *more: str) -> str:
    done = subprocess.run(["ip", *command.split(), *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {command}: {done.stderr}"
    return done.stdout
