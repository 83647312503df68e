"""`commander dev`: runs Postgres, NATS and every part as one tree of processes, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

from commander.cli.loading import load_domain
from commander.dev.data_dir import DataOfAnotherSystem, default_data_dir, settle_owner, sole_use
from commander.dev.development_key import development_key, make_development_key
from commander.dev.embedded import (
    EmbeddedNats,
    EmbeddedPostgres,
    EmbeddedServer,
    ends_with_parent,
    free_port,
)
from commander.dev.ports import check_operators_ports, check_port, operators_ports
from commander.domain import CommanderError
from commander.parts.hold import Hold
from commander.parts.logs import configure_logging
from commander.settings import Settings, system_name_of

logger = logging.getLogger("commander")

_PARTS = ("api", "processor", "relay", "projections", "reactors")
_RESTART_SECONDS = 1.0
_POLL_SECONDS = 0.05


_AUTHENTICATION = {
    "none": "none: everyone may do everything; to try tokens, set COMMANDER_AUTH=dev",
    "dev": "dev: commander token --subject alice --role teller mints a token",
    "jwt": "jwt",
}
"""What is said about who may ask."""


class _ApiEnded(Exception):
    """The API ended before it was loaded. The reason has been printed."""


def run_dev(settings: Settings, data_dir: Path | None) -> None:
    """Runs until SIGINT or SIGTERM. Raises CommanderError for an error that the user can fix.

    data_dir: None means the directory of this system.
    """
    configure_logging("dev", settings.log_level, settings.log_format)
    domain = load_domain(settings.domain)
    parts = (*_PARTS, "effects") if domain.effects else _PARTS
    check_port(settings.host, settings.port, "choose another port with --port")
    check_operators_ports(settings, parts)
    system = settings.system or system_name_of(domain.name)
    try:
        try:
            asyncio.run(_Tree(settings, data_dir or default_data_dir(system), parts, system).run())
        except DataOfAnotherSystem:
            if data_dir is not None:
                raise
            # .commander itself has the data of another system, which is recorded now
            asyncio.run(_Tree(settings, default_data_dir(system), parts, system).run())
    except _ApiEnded:
        raise SystemExit(1) from None


class _Tree:
    """The processes. Servers start first and stop last. A process that ends is started again."""

    def __init__(self, settings: Settings, data_dir: Path, parts: tuple[str, ...], system: str) -> None:
        self._parts = parts
        self._system = system
        self._port = settings.port or free_port(settings.host)
        self._operators_ports = operators_ports(settings, parts)
        self._settings = settings
        self._data_dir = data_dir
        self._new_dirs: list[Path] = []
        self._hold = Hold()
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._servers: list[EmbeddedServer] = []
        urls = {"POSTGRES": settings.postgres_url, "NATS": settings.nats_url}
        for name, kind in (("POSTGRES", EmbeddedPostgres), ("NATS", EmbeddedNats)):
            if urls[name] is None:
                server = kind(data_dir)
                self._servers.append(server)
                urls[name] = server.url
        self._environment = {
            "COMMANDER_PROJECTION_TAKEOVER_SECONDS": "0",  # all processes have the code of this directory
            **os.environ,
            "COMMANDER_PORT": str(self._port),
            "COMMANDER_DOMAIN": settings.domain,
            "COMMANDER_AUTH": settings.auth or "none",
            **{f"COMMANDER_{name}_URL": str(url) for name, url in urls.items()},
        }
        self._needs_key = settings.auth == "dev" and not (settings.auth_secret or settings.auth_secret_file)
        if self._needs_key:
            self._environment["COMMANDER_AUTH_SECRET_FILE"] = str(development_key(data_dir).resolve())

    async def run(self) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        with contextlib.ExitStack() as until_the_end:
            work = asyncio.create_task(self._work(until_the_end))
            stopping = asyncio.create_task(stopped.wait())
            try:
                await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if stopped.is_set():
                    _say("stopping")
                stopping.cancel()
                work.cancel()
                await asyncio.wait({work})
                await self._stop_parts()
                for server in reversed(self._servers):
                    await server.stop()
            if not work.cancelled():
                if self._new_dirs and isinstance(work.exception(), _ApiEnded):
                    await loop.shutdown_default_executor()  # it can still write to the data directory
                    self._remove_new_dirs()
                work.result()

    async def _work(self, until_the_end: contextlib.ExitStack) -> None:
        """Starts everything and keeps it running.

        The parts load while the servers start, and wait until these answer. The API loads first: it takes
        longest, and it reports a domain that has no GraphQL schema. The processor loads at the same time, for
        the first command. The other parts load after the API.
        """
        until_the_end.callback(self._hold.release)
        self._new_dirs = [path for path in (self._data_dir, *self._data_dir.parents) if not path.exists()]
        until_the_end.enter_context(sole_use(self._data_dir, self._system))
        if self._needs_key:
            make_development_key(self._data_dir)
        try:
            async with asyncio.TaskGroup() as group:
                for server in self._servers:
                    group.create_task(server.start())
                for part in self._parts[:2]:
                    await self._start_part(part)
                await self._until_loaded("api")
                for part in self._parts[2:]:
                    await self._start_part(part)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        url = None if self._settings.postgres_url else self._environment["COMMANDER_POSTGRES_URL"]
        await settle_owner(self._data_dir, self._system, url)
        self._write_environment()
        self._hold.release()
        keeping = [self._keep_server(server) for server in self._servers]
        keeping += [self._keep_part(part) for part in self._parts]
        await asyncio.gather(*keeping, self._say_when_ready())

    def _remove_new_dirs(self) -> None:
        shutil.rmtree(self._data_dir)
        with contextlib.suppress(OSError):  # another system's data is beside it
            for parent in self._new_dirs[1:]:
                parent.rmdir()

    @property
    def _environment_file(self) -> Path:
        """The settings for commands in another terminal, which `source` reads."""
        return self._data_dir / "environment"

    def _write_environment(self) -> None:
        file = self._environment_file
        file.touch(mode=0o600)
        names = ["COMMANDER_POSTGRES_URL", "COMMANDER_NATS_URL", "COMMANDER_DOMAIN", "COMMANDER_AUTH"]
        if self._needs_key:
            names.append("COMMANDER_AUTH_SECRET_FILE")
        file.write_text("".join(f"export {name}={shlex.quote(self._environment[name])}\n" for name in names))

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

    async def _start_part(self, part: str) -> None:
        self._children[part] = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "commander", part),  # -P: files in this directory do not shadow modules
            env={
                **self._environment,
                "COMMANDER_HEALTH_PORT": str(self._operators_ports[part]),
                "OTEL_SERVICE_NAME": f"{self._environment.get('OTEL_SERVICE_NAME', 'commander')}-{part}",
                **self._hold.environment,
            },
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=ends_with_parent(),
            pass_fds=self._hold.inherited,
        )

    async def _until_loaded(self, part: str) -> None:
        """Waits until the API answers. Raises _ApiEnded."""
        while not await self._answers("/health/live"):
            if (code := self._children[part].returncode) is not None:
                if code < 0:
                    _say(f"commander: the API was ended by the signal {-code} before it was loaded")
                raise _ApiEnded
            await asyncio.sleep(_POLL_SECONDS)

    async def _keep_part(self, part: str) -> None:
        while True:
            code = await self._children[part].wait()
            logger.error("the part %s ended with code %d; starting it again", part, code)
            await asyncio.sleep(_RESTART_SECONDS)
            await self._start_part(part)

    async def _stop_parts(self) -> None:
        """Stops the API first: its open requests still need the other parts."""
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
        while not await self._answers("/health/ready"):  # noqa: ASYNC110  # it can only be polled
            await asyncio.sleep(_POLL_SECONDS)
        host = _in_url(self._settings.host)
        base = f"http://{host}:{self._port}"
        operators = _in_url(self._settings.health_host)
        ports = ", ".join(f"{part} {port}" for part, port in self._operators_ports.items())
        _say(f"\n{_bold('Commander')} runs the domain {self._settings.domain}")
        _say(f"  GraphiQL, HTTP, SSE   {base}/graphql")
        _say(f"  console               {base}/console")
        _say(f"  WebSocket             ws://{host}:{self._port}/graphql")
        _say(f"  health                {base}/health/ready")
        _say(f"  metrics               http://{operators}:PORT/metrics, PORT of {ports}")
        _say(f"  data                  {self._data_dir.resolve()}")
        _say(f"  authentication        {_AUTHENTICATION[self._settings.auth or 'none']}")
        _say(f"  in another terminal   source {shlex.quote(str(self._environment_file))}")
        _say("Ctrl-C stops it.\n")

    async def _answers(self, path: str) -> bool:
        """Whether the API answers this path with 200."""
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection(_reached_at(self._settings.host), self._port)
                with contextlib.closing(writer):
                    writer.write(
                        f"GET {path} HTTP/1.1\r\nhost: commander\r\nconnection: close\r\n\r\n".encode()
                    )
                    return b" 200 " in await reader.readline()
        except (OSError, TimeoutError):
            return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stderr.isatty() else text


def _in_url(host: str) -> str:
    host = _reached_at(host)
    return "localhost" if host == "127.0.0.1" else f"[{host}]" if ":" in host else host


def _reached_at(host: str) -> str:
    """The address on this machine at which a server that listens on `host` is reached."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
