"""A whole system on a network that can be cut: parts, one namespace for each, and two servers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx
from nats.errors import Error as NatsError

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres, free_port
from commander.eventstore.database import Database
from commander.eventstore.log.identity import settle_identity
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names
from tests.faults.network import Cut, Network
from tests.faults.part_process import PartProcess
from tests.faults.waiting import until
from tests.system import NO_TLS

DOMAIN = "tests.faults.busy_bank:bank"
_PORT = 8000
_OPERATORS_PORT = 8001


class TcpPostgres(EmbeddedPostgres):
    """On TCP too, so that it can be cut off."""

    def __init__(self, data_dir: Path, address: str) -> None:
        super().__init__(data_dir)
        self.listen_addresses = address

    @property
    def tcp_url(self) -> str:
        return f"postgresql://postgres@{self.listen_addresses}:5432/{self.database}"

    async def start(self) -> None:
        rules = next(self.data_dir.glob("postgres/**/pg_hba.conf"))
        rules.write_text(rules.read_text() + "host all all 10.0.0.0/8 trust\n")
        await super().start()


class AddressedNats(EmbeddedNats):
    """On an address of the network."""

    def __init__(self, data_dir: Path, address: str) -> None:
        super().__init__(data_dir, free_port(address))
        self.host = address


class Networked:
    """Runs from entering to leaving. names: those of its parts, each with a number.

    parts: the processes by name and number: processor1, processor2 … network: cut it between a part and a
    server. sent: the file with the calls of the effect.
    """

    def __init__(self, data_dir: Path, names: Sequence[str]) -> None:
        self.network = Network()
        self.parts: dict[str, PartProcess] = {}
        self.sent = data_dir / "sent"
        self._data_dir = data_dir
        self._names = names
        self._stack = ExitStack()

    async def __aenter__(self) -> Networked:
        self._stack.enter_context(self.network)
        try:
            postgres_address, nats_address = self.network.servers
            self.postgres = TcpPostgres(self._data_dir, postgres_address)
            self.nats = AddressedNats(self._data_dir, nats_address)
            await self.postgres.start()
            await self.nats.start()
            self.database = Database(self.postgres.url)
            for name in self._names:
                self._start(name)
            await asyncio.gather(*(self.until_ready(name) for name in self._names))
            self.bus = Nats(self.nats.url, Names(await settle_identity(self.database, "bank", "bank")))
            await self.bus.connect("test")
        except BaseException:
            self._stack.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self.parts.values():
            part.process.send_signal(signal.SIGCONT)
        self._stack.close()
        await self.bus.close()
        await self.database.close()
        await self.nats.stop()
        await self.postgres.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What each part has, and a command."""
        return {
            "COMMANDER_POSTGRES_URL": self.postgres.tcp_url,
            "COMMANDER_NATS_URL": self.nats.url,
            "COMMANDER_DOMAIN": DOMAIN,
            "COMMANDER_AUTH": "none",
            "SENT": str(self.sent),
        }

    def url(self, number: int, scheme: str = "http") -> str:
        """The URL of an API."""
        return f"{scheme}://{self._address(f'api{number}')}:{_PORT}/graphql"

    async def until_ready(self, name: str, timeout_seconds: float = 60) -> float:
        """Returns once this part says that it is ready: the seconds that took. Starts it if it has ended."""
        url = f"http://{self._address(name)}:{_OPERATORS_PORT}/health/ready"
        async with httpx.AsyncClient(timeout=2, trust_env=False, verify=NO_TLS) as http:

            async def ready() -> bool:
                if self.parts[name].process.poll() is not None:
                    self._start(name)  # as a supervisor does
                try:
                    return (await http.get(url)).status_code == 200
                except httpx.TransportError:
                    return False

            return await until(ready, f"{name} is ready", timeout_seconds=timeout_seconds)

    def name_at(self, address: str) -> str:
        """The part with this address."""
        return next(name for name in self._names if self._address(name) == address)

    async def owner(self, part: str) -> str:
        """One of the two that works now: for a part with standbys, the one that holds the lock."""
        applications = {
            "projections": "commander projection account",
            "reactors": "commander reactor %",
            "effects": "commander effect %",
        }
        address = await self.database.fetchval(
            """select host(a.client_addr) from pg_stat_activity as a join pg_locks as l on l.pid = a.pid
               where a.application_name like $1 and l.locktype = 'advisory' and l.mode = 'ExclusiveLock'
               order by a.pid limit 1""",
            applications.get(part, f"commander {part}%"),
        )
        assert address is not None, f"nobody holds a lock of {part}"
        return self.name_at(address)

    def cut(self, name: str, server: str, cut: Cut) -> None:
        """Drops packets between a part and 'postgres' or 'nats'."""
        address = self.network.servers[("postgres", "nats").index(server)]
        self.network.cut(self._namespace(name), address, cut)

    async def mirrored(self) -> int:
        """The last position in EVENTS."""
        try:
            return int((await self.bus.jetstream.stream_info(self.bus.names.events)).state.last_seq)
        except NatsError:
            return 0

    def _start(self, name: str) -> None:
        if self._namespace(name) not in self.network.namespaces:
            self.network.add(name)
        environment = self.environment | {
            "COMMANDER_HOST": self._address(name),
            "COMMANDER_PORT": str(_PORT),
            "COMMANDER_HEALTH_HOST": self._address(name),
            "COMMANDER_HEALTH_PORT": str(_OPERATORS_PORT),
            "COMMANDER_HEARTBEAT_SECONDS": "1",
        }
        directory = self._data_dir / name
        directory.mkdir(exist_ok=True)
        part = PartProcess(name[:-1], directory, environment, network=self._namespace(name))
        self.parts[name] = self._stack.enter_context(part)

    def _namespace(self, name: str) -> str:
        return self.network.namespace(name)

    def _address(self, name: str) -> str:
        return self.network.address(self._namespace(name))
