"""Another API process of the running system, with settings of its own, as a deployment runs it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from commander.dev.embedded import free_port
from tests.faults.part_process import PartProcess
from tests.system import NO_TLS, System


@dataclass(frozen=True)
class Api:
    """A running API process and where it answers."""

    part: PartProcess
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"


@contextmanager
def api_beside(
    system: System, data_dir: Path, *, port: int | None = None, fork: bool = True, **settings: object
) -> Iterator[Api]:
    """Entered once it is ready; killed on leaving if it still runs.

    fork: see PartProcess. settings: by the names of the fields.
    """
    port = free_port() if port is None else port
    own = {f"COMMANDER_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**system.settings, **own, "COMMANDER_PORT": str(port)}
    with PartProcess("api", data_dir, environment, fork=fork) as part:
        _wait_ready(part, port)
        yield Api(part, port)


def _wait_ready(part: PartProcess, port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert part.process.poll() is None, part.log.read_text()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5, verify=NO_TLS).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the API is not ready in time:\n{part.log.read_text()}")
