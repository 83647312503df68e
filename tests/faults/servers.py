"""A Postgres and a NATS that a test starts, kills and starts again."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres, EmbeddedServer


@dataclass(frozen=True)
class Servers:
    """Servers that the tests themselves start and stop; nobody else starts them again."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats

    @property
    def environment(self) -> dict[str, str]:
        urls = {"COMMANDER_POSTGRES_URL": self.postgres.url, "COMMANDER_NATS_URL": self.nats.url}
        return {**urls, "COMMANDER_AUTH": "none"}

    async def start(self) -> None:
        """Starts those that are not running."""
        for server in (self.postgres, self.nats):
            if server.process is None or server.process.returncode is not None:
                await server.start()

    async def stop(self) -> None:
        await self.nats.stop()
        await self.postgres.stop()

    async def kill(self, name: str) -> None:
        """kill -9 of 'postgres' or 'nats', waited for."""
        process = self._named(name).process
        assert process is not None, "it was started"
        process.kill()
        await process.wait()

    def process(self, name: str) -> psutil.Process:
        """The running process of 'postgres' or 'nats'."""
        process = self._named(name).process
        assert process is not None, "it was started"
        return psutil.Process(process.pid)

    def _named(self, name: str) -> EmbeddedServer:
        return {"postgres": self.postgres, "nats": self.nats}[name]
