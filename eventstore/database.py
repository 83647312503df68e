"""Connections to Postgres, and the errors that mean that it cannot be reached or cannot work."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.circuits import Circuit
from commander.eventstore.presence import Presence
from commander.eventstore.sessions import Connection as Connection
from commander.eventstore.sessions import (
    OwnConnection,
    PooledConnection,
    begin_pooled_session,
    begin_session,
    server_of,
)

logger = logging.getLogger("commander.postgres")

_CANNOT_REACH = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, connection killed
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresIOError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
)
_TROUBLES: Mapping[type[BaseException], Trouble] = {
    asyncpg.DiskFullError: Trouble.FULL,
    asyncpg.ReadOnlySQLTransactionError: Trouble.READ_ONLY,
}


def without_password(url: str) -> str:
    """The URL for display: without user and password, and with the value of password parameters hidden."""
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1***", re.sub("//.*@", "//", url))


@contextmanager
def reaching_postgres(connection: Connection | None = None) -> Iterator[None]:
    """Turns connection errors of the driver and the system into Unavailable. Other errors pass unchanged.

    connection: the connection in use. It is terminated if the driver has lost track of its state. A failed
    write is noted in its circuit.
    """
    try:
        yield
    except _CANNOT_REACH as error:
        reason = " ".join(str(error).split("\n")) or type(error).__name__
        unavailable = Unavailable("Postgres", reason, _TROUBLES.get(type(error)))
        circuit: Circuit | None = getattr(connection, "circuit", None)
        if circuit is not None:
            circuit.note(unavailable)
        raise unavailable from error
    except asyncpg.InternalClientError as error:  # the server ended the session, the socket is still open
        if connection is not None and not _is_gone(connection):
            connection.terminate()
        raise Unavailable("Postgres", f"the connection broke ({error})") from error
    except asyncpg.InterfaceError as error:
        if connection is None or _is_gone(connection):
            raise Unavailable("Postgres", str(error)) from error
        raise


def _is_gone(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has already released the broken connection
        return True


_FIRST_SECONDS = 8.0
"""How long the first answer may take: a far server needs some seven trips until then."""


class Database:
    """A pool of connections to one database.

    The first use connects. After a loss of the server, the next use connects again. circuit: what is known of
    the server; without `watch_postgres`, that it works.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 10,
        command_timeout_seconds: float = 30,
        presence: Presence | None = None,
    ) -> None:
        self.url = url
        self._max_connections = max_connections
        self._command_timeout_seconds = command_timeout_seconds
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._presence = presence or Presence(url)
        self._opening = asyncio.Lock()
        self.circuit = Circuit("Postgres", logger)
        self._server: str | None = None
        self._new_server: Callable[[], None] | None = None

    @property
    def shown_url(self) -> str:
        """The URL without the password."""
        return without_password(self.url)

    @asynccontextmanager
    async def connection(self, *, timeout_seconds: float = 5) -> AsyncIterator[Connection]:
        """A pooled connection. Raises Unavailable if none is free in time, or if it breaks during its use.

        Raises it too, at once, when the server is found unreachable. A connection that the server, or a proxy
        before it, ended while it was idle is replaced.
        """
        async with self.circuit.answering():
            with reaching_postgres():
                connection = await self._acquired(timeout_seconds)
            try:
                with reaching_postgres(connection):
                    yield connection
            finally:
                if self.circuit.unreachable is not None:
                    connection.terminate()  # a silent server would not let it go
                with reaching_postgres():
                    assert self._pool is not None, "the connection is from it"
                    await self._pool.release(connection, timeout=timeout_seconds)

    async def connect(self, application_name: str, *, durable: bool = True) -> Connection:
        """A connection outside the pool, for session locks. The caller closes it. Raises Unavailable.

        Other processes end it if this process falls silent, see presence.py.
        durable: whether a commit waits for the disk. If not, a crash of the server may undo the newest
        commits, whole and in order. Use that only for data that is derived from the log: it is derived again.
        """
        settings = {"application_name": application_name} | ({} if durable else {"synchronous_commit": "off"})
        with reaching_postgres():
            connection = await self._connected(settings)
            try:
                await self._know_server(connection)
                await self._presence.bind(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def connect_without_locks(self, application_name: str) -> Connection:
        """A connection outside the pool, for no session locks. The caller closes it. Raises Unavailable."""
        with reaching_postgres():
            connection = await self._connected({"application_name": application_name})
            try:
                await self._know_server(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

    def on_new_server(self, callback: Callable[[], None]) -> None:
        """Calls `callback` when a new connection is to another server than the one before.

        A server that has started again is another one: meanwhile it can have been set back.
        """
        self._new_server = callback

    async def fetch(self, sql: str, *binds: Any) -> list[asyncpg.Record]:
        """All rows of a query. Raises Unavailable."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *binds)

    async def fetchrow(self, sql: str, *binds: Any) -> asyncpg.Record | None:
        """The first row of a query; None if it has none. Raises Unavailable."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *binds)

    async def fetchval(self, sql: str, *binds: Any) -> Any:
        """The first column of the first row; None if there is no row. Raises Unavailable."""
        async with self.connection() as connection:
            return await connection.fetchval(sql, *binds)

    async def ping(self, timeout_seconds: float = 2) -> None:
        """Returns when the server answers. Raises Unavailable if it does not answer in time."""
        with reaching_postgres():
            async with asyncio.timeout(timeout_seconds):
                await self.fetchval("select 1")

    async def until_reachable(self, retry_seconds: float = 1) -> None:
        """Returns when the server answers. Until then it retries, and logs the URL and each new reason."""
        logged = ""
        while True:
            try:
                return await self.ping(_FIRST_SECONDS)
            except Unavailable as error:
                if error.reason != logged:
                    logger.warning("cannot reach Postgres at %s: %s; retrying", self.shown_url, error.reason)
                    logged = error.reason
            await asyncio.sleep(retry_seconds)

    def must_be_up(self) -> None:
        """Raises Unavailable at once while `watch_postgres` finds the server unreachable."""
        self.circuit.must_answer()

    async def renew(self) -> None:
        """Replaces each connection of the pool before its next use."""
        if self._pool is not None:
            await self._pool.expire_connections()

    async def close(self) -> None:
        """Closes the pool. After five seconds it ends connections that are still in use."""
        self._presence.close()
        if self._pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._pool.terminate()

    async def _connected(self, settings: dict[str, str]) -> Connection:
        connection: OwnConnection = await asyncpg.connect(
            self.url,
            timeout=5,
            command_timeout=self._command_timeout_seconds,
            max_cached_statement_lifetime=0,  # to prepare a statement again is a trip
            server_settings=settings,
            connection_class=OwnConnection,
        )
        connection.circuit = self.circuit
        try:
            await begin_session(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _acquired(self, timeout_seconds: float) -> Any:
        """A connection of the pool that the other side has not ended while it was idle."""
        pool = await self._opened()
        for _ in range(self._max_connections):
            acquired: Any = await pool.acquire(timeout=timeout_seconds)
            if not acquired.is_ended():
                return acquired
            acquired.terminate()
            await pool.release(acquired)
        return await pool.acquire(timeout=timeout_seconds)

    async def _begin_pooled(self, connection: Any) -> None:
        connection.circuit = self.circuit
        await begin_pooled_session(connection)
        await self._know_server(connection)

    async def _know_server(self, connection: Connection) -> None:
        found = await server_of(connection)
        before, self._server = self._server, found
        if found != before and before is not None and self._new_server is not None:
            self._new_server()

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url,
                    min_size=0,
                    max_size=self._max_connections,
                    timeout=5,
                    command_timeout=self._command_timeout_seconds,
                    max_inactive_connection_lifetime=300,
                    max_cached_statement_lifetime=0,  # to prepare a statement again is a trip
                    server_settings={"application_name": "commander"},
                    connection_class=PooledConnection,
                    init=self._begin_pooled,
                )
            return self._pool
