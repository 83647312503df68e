"""`commander dev` as a process of the tests' own, and its parts by name."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

from commander.dev.embedded import free_port
from tests.forked_tree import REGISTER, parts_of
from tests.forking import Forked, fork_server

NO_TLS = False
"""For httpx: without it, each request loads the certificates of the world, which takes it 40 ms."""
PARTS = ("api", "processor", "relay", "projections", "reactors")


class Endpoint:
    """Where an API answers, on this machine."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/graphql"
        self.ws_url = f"ws://127.0.0.1:{self.port}/graphql"

    def readiness(self) -> dict[str, Any]:
        """What GET /health/ready says; of an API, on its public port. Raises httpx.TransportError."""
        url = f"http://127.0.0.1:{self.port}/health/ready"
        answer: dict[str, Any] = httpx.get(url, timeout=5, verify=NO_TLS).json()
        return answer

    def metrics(self) -> str:
        """What GET /metrics says; of an API, not on this port."""
        return httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5, verify=NO_TLS).text

    def query(
        self, document: str, *, headers: Mapping[str, bytes] | None = None, **variables: Any
    ) -> dict[str, Any]:
        """The whole response to a GraphQL request over HTTP."""
        body = {"query": document, "variables": variables}
        sent = {name.encode(): value for name, value in (headers or {}).items()}
        response = httpx.post(self.url, json=body, timeout=30, verify=NO_TLS, headers=sent)
        answer: dict[str, Any] = response.json()
        return answer

    def data(
        self, document: str, *, headers: Mapping[str, bytes] | None = None, **variables: Any
    ) -> dict[str, Any]:
        """The data of a response; fails on errors."""
        answer = self.query(document, headers=headers, **variables)
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found


class System(Endpoint):
    """Starts on entering, is ready when entered, ends on leaving. The data stays in data_dir.

    fork: whether it is started as a fork, whose parts are forks of it: see tests/forked_tree.py. False where
    a test is about starting, stopping or memory; it may change between two starts.
    """

    def __init__(self, data_dir: Path, **environment: str) -> None:
        super().__init__()
        self.fork = True
        self.data_dir = data_dir
        self.log = data_dir.with_name(
            f"{data_dir.name}.log"
        )  # the data directory must be empty or Commander's
        self._register = data_dir.with_name(f"{data_dir.name}.parts")
        self._environment = environment
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def __enter__(self) -> System:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the tree and waits until the API is ready; ends it if that does not come."""
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Starts the tree without waiting."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
        environment = {**inherited, **self._environment}
        arguments = ["dev", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        self._register.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            if self.fork:
                environment[REGISTER] = str(self._register)
                entry, file = "tests.forked_tree:main", log.fileno()
                self._process = fork_server().start(arguments, environment, file, file, entry=entry)
            else:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "commander", *arguments],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def wait_ready(self, timeout_seconds: float = 60) -> None:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            try:
                if self.readiness()["ready"]:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, f"commander dev ended:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.1)
        raise AssertionError(f"not ready in {timeout_seconds} s:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> int:
        """Ends the tree as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def kill_everything(self) -> None:
        """kill -9 of every process of the tree, all at once."""
        root = psutil.Process(self.process.pid)
        tree: set[psutil.Process] = set()
        while new := {root, *self.descendants()} - tree:
            for process in new:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()  # so that none can notice another's end, and act or have children
            tree |= new
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        psutil.wait_procs(tree, timeout=10)

    def kill(self, name: str) -> None:
        """kill -9 of one part, or of the server postgres or nats-server."""
        self.find(name).kill()

    @property
    def settings(self) -> dict[str, str]:
        """The variables that it writes for commands in another terminal: the servers and the domain."""
        lines = (self.data_dir / "environment").read_text().splitlines()
        return dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)

    def operators_port(self, name: str) -> int:
        """Where a part of the tree answers for its health in detail and its metrics."""
        return int(self.environment_of(name)["COMMANDER_HEALTH_PORT"])

    def environment_of(self, name: str) -> dict[str, str]:
        """The COMMANDER_… variables that a part of the tree runs with."""
        return {k: v for k, v in self.variables_of(name).items() if k.startswith("COMMANDER_")}

    def variables_of(self, name: str) -> dict[str, str]:
        """All variables that a part of the tree began with."""
        pid, forks = self.find(name).pid, parts_of(self._register)
        started = [part.environment for part in forks if part.pid == pid]
        return started[-1] if started else psutil.Process(pid).environ()

    def find(self, name: str) -> psutil.Process:
        """The running process of a part ('processor'), or of the server 'postgres' or 'nats-server'."""
        forks = {part.pid: part.name for part in parts_of(self._register)}
        for process in self.descendants():
            try:
                line = process.cmdline()
            except psutil.NoSuchProcess:
                continue
            if process.pid in forks:
                line = [forks[process.pid]]
            is_part = name in PARTS and line[-1:] == [name]
            is_server = name not in PARTS and line and Path(line[0]).name == name
            if is_part or is_server:
                return process
        raise LookupError(f"no process {name} in the tree")

    def descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    @property
    def process(self) -> subprocess.Popen[bytes] | Forked:
        assert self._process is not None, "it was started"
        return self._process
