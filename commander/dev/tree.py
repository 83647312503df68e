"""`commander dev`: Postgres, NATS and every part as one tree of processes, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from rich.console import Console

from commander.cli.loading import load_domain
from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres, EmbeddedServer, ends_with_parent, free_port
from commander.domain import CommanderError
from commander.parts.process import configure_logging
from commander.schema.build import build_schema
from commander.settings import Settings

logger = logging.getLogger("commander")
console = Console(stderr=True, highlight=False)

_PARTS = ("api", "processor", "relay", "projections", "reactors")
_RESTART_SECONDS = 1.0


class PortTaken(CommanderError):
    """The API's port is in use; choose another with --port."""


class DataDirTaken(CommanderError):
    """Another `commander dev` runs on this data directory; stop it, or choose another with --data-dir."""


def run_dev(settings: Settings, data_dir: Path) -> None:
    """Runs until SIGINT or SIGTERM. Raises CommanderError for what a person can mend."""
    configure_logging("dev", settings.log_level)
    domain = load_domain(settings.domain)
    build_schema(domain)  # a mistake is told here, once, and not by every part
    parts = (*_PARTS, "effects") if domain.effects else _PARTS
    _check_port(settings)
    data_dir.mkdir(parents=True, exist_ok=True)
    with _sole_use(data_dir):
        asyncio.run(_Tree(settings, data_dir, parts).run())


class _Tree:
    """The processes: servers first and last, the parts between; whatever dies is started again."""

    def __init__(self, settings: Settings, data_dir: Path, parts: tuple[str, ...]) -> None:
        self._parts = parts
        self._port = settings.port or free_port(settings.host)
        self._settings = settings
        self._data_dir = data_dir
        self._servers: list[EmbeddedServer] = []
        self._stopping = asyncio.Event()
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        watchers: list[asyncio.Task[None]] = []
        try:
            environment = await self._start_servers()
            watchers = [asyncio.create_task(self._keep_server(server)) for server in self._servers]
            watchers += [asyncio.create_task(self._keep_part(part, environment)) for part in self._parts]
            watchers.append(asyncio.create_task(self._say_when_ready()))
            await self._stopping.wait()
        finally:
            self._stopping.set()
            console.print("stopping")
            for watcher in watchers:
                watcher.cancel()
            await self._stop_parts()
            for server in reversed(self._servers):
                await server.stop()

    async def _start_servers(self) -> dict[str, str]:
        """Starts the servers that are not given; returns the environment that tells the parts of all."""
        environment = {**os.environ, "COMMANDER_PORT": str(self._port)}
        environment["COMMANDER_DOMAIN"] = self._settings.domain
        given = {"POSTGRES": self._settings.postgres_url, "NATS": self._settings.nats_url}
        kinds: dict[str, type[EmbeddedServer]] = {"POSTGRES": EmbeddedPostgres, "NATS": EmbeddedNats}
        for name, url in given.items():
            if url is None:
                server = kinds[name](self._data_dir)
                self._servers.append(server)
                await server.start()
                url = server.url
            environment[f"COMMANDER_{name}_URL"] = url
        self._write_environment(environment)
        return environment

    def _write_environment(self, environment: dict[str, str]) -> None:
        """For other commands in another terminal: `source .commander/environment`."""
        file = self._data_dir / "environment"
        file.touch(mode=0o600)
        names = ("COMMANDER_POSTGRES_URL", "COMMANDER_NATS_URL", "COMMANDER_DOMAIN")
        file.write_text("".join(f"export {name}={shlex.quote(environment[name])}\n" for name in names))

    async def _keep_server(self, server: EmbeddedServer) -> None:
        while True:
            assert server.process is not None, "it was started"
            await server.process.wait()
            logger.error("%s ended; starting it again (its log: %s)", server.name, server.log)
            await asyncio.sleep(_RESTART_SECONDS)
            try:
                await server.start()
            except CommanderError as error:
                logger.error("%s", error)

    async def _keep_part(self, part: str, environment: dict[str, str]) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "commander", part),  # -P: what lies in this directory hides nothing of ours
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=ends_with_parent(),
            )
            self._children[part] = process
            code = await process.wait()
            logger.error("the part %s ended with code %d; starting it again", part, code)
            await asyncio.sleep(_RESTART_SECONDS)

    async def _stop_parts(self) -> None:
        """The API goes first, while the others still do what its open requests wait for."""
        await self._stop("api")
        await self._stop(*(part for part in self._parts if part != "api"))

    async def _stop(self, *parts: str) -> None:
        running = [p for part, p in self._children.items() if part in parts and p.returncode is None]
        for process in running:
            process.terminate()
        if not running:
            return
        waits = [asyncio.create_task(process.wait()) for process in running]
        await asyncio.wait(waits, timeout=self._settings.shutdown_seconds + 5)
        for process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _say_when_ready(self) -> None:
        host = _in_url(self._settings.host)
        url = f"http://{host}:{self._port}/health/ready"
        host = "localhost" if host == "127.0.0.1" else host
        base = f"http://{host}:{self._port}"
        while not await asyncio.to_thread(_is_ready, url):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.2)
        console.print(f"\n[bold]Commander[/bold] runs the domain {self._settings.domain}")
        console.print(f"  GraphiQL, HTTP, SSE   {base}/graphql")
        console.print(f"  WebSocket             ws://{host}:{self._port}/graphql")
        console.print(f"  health                {base}/health/ready")
        console.print(f"  data                  {self._data_dir.resolve()}")
        console.print("Ctrl-C stops it.\n")


def _is_ready(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2):
            return True
    except OSError:
        return False


def _in_url(host: str) -> str:
    """Where one reaches, on this machine, what listens on this address."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _check_port(settings: Settings) -> None:
    """Raises PortTaken unless the API can listen on every address that its host has."""
    try:
        addresses = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in addresses:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise PortTaken(f"cannot listen on {where}: {error.strerror}; see --port") from None


@contextlib.contextmanager
def _sole_use(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirTaken(f"another commander dev uses {data_dir}; see --data-dir") from None
        yield
