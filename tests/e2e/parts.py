"""The parts as processes of their own, each started and ended by the test: what runs, and what does not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx

from commander.dev.embedded import free_port
from tests.faults.part_process import PartProcess
from tests.system import Endpoint


class Part(Endpoint):
    """One part as a process; for the API also where it answers GraphQL.

    operators_port: where it answers for its health in detail and its metrics.
    """

    def __init__(self, name: str, data_dir: Path, environment: dict[str, str], *, fork: bool) -> None:
        super().__init__()
        self.operators_port = free_port() if name == "api" else self.port
        ports = {"COMMANDER_PORT": str(self.port), "COMMANDER_HEALTH_PORT": str(self.operators_port)}
        data_dir.mkdir()
        self.name = name
        self.process = PartProcess(name, data_dir, {**ports, **environment}, fork=fork)

    def wait_ready(self, *, ready: bool = True, timeout_seconds: float = 60) -> None:
        """Until it is ready; or, if it cannot become so, until it answers."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            try:
                if self.readiness()["ready"] or not ready:
                    return
            except httpx.TransportError:
                pass
            assert self.process.process.poll() is None, self.process.log.read_text()[-4000:]
            time.sleep(0.05)
        raise AssertionError(f"{self.name} is not ready:\n{self.process.log.read_text()[-4000:]}")

    def end(self) -> None:
        """As a deployment ends it: it gives its partitions back."""
        assert self.process.end() == 0, self.process.log.read_text()[-4000:]


class Parts:
    """Starts parts on one Postgres and one NATS; ends them all on leaving. settings: variables of each."""

    def __init__(
        self, postgres_url: str, nats_url: str, data_dir: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        urls = {"COMMANDER_POSTGRES_URL": postgres_url, "COMMANDER_NATS_URL": nats_url}
        self.environment = {**urls, "COMMANDER_AUTH": "none", **(settings or {})}
        self._data_dir = data_dir
        self._running = ExitStack()
        self._count = 0

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(
        self, *names: str, domain: str | None = None, ready: bool = True, fork: bool = True, **settings: str
    ) -> list[Part]:
        """Starts these parts at once and waits until each is ready (or only answers).

        fork: see PartProcess.
        """
        environment = {**self.environment, **settings}
        if domain is not None:
            environment["COMMANDER_DOMAIN"] = domain
        started = []
        for name in names:
            self._count += 1
            part = Part(name, self._data_dir / f"{self._count}-{name}", environment, fork=fork)
            self._running.enter_context(part.process)
            started.append(part)
        for part in started:
            part.wait_ready(ready=ready)
        return started
