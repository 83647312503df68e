"""A Postgres and a NATS that a test starts, kills and starts again."""

from __future__ import annotations

from dataclasses import dataclass

from commander.embedded import EmbeddedNats, EmbeddedPostgres, EmbeddedServer


@dataclass(frozen=True)
class Servers:
    """Servers that the tests themselves start and stop; nobody else starts them again."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats

    @property
    def environment(self) -> dict[str, str]:
        return {"COMMANDER_POSTGRES_URL": self.postgres.url, "COMMANDER_NATS_URL": self.nats.url}

    async def start(self) -> None:
        """Starts those that are not running."""
        for server in (self.postgres, self.nats):
            if server.process is None or server.process.returncode is not None:
                await server.start()

    async def stop(self) -> None:
        await self.nats.stop()
        await self.postgres.stop()


async def kill(server: EmbeddedServer) -> None:
    """kill -9, waited for."""
    assert server.process is not None, "it was started"
    server.process.kill()
    await server.process.wait()
