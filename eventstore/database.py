"""Connections to Postgres, and the errors that mean that it cannot be reached."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from commander.domain.errors import Unavailable

logger = logging.getLogger("commander.postgres")

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:  # it is generic in the type stubs only
    Connection = asyncpg.Connection

_CANNOT_REACH = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, connection killed
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
)


def without_password(url: str) -> str:
    """The URL for display: without user and password, and with the value of password parameters hidden."""
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1***", re.sub("//.*@", "//", url))


@contextmanager
def reaching_postgres(connection: Connection | None = None) -> Iterator[None]:
    """Turns connection errors of the driver and the system into Unavailable. Other errors pass unchanged.

    connection: the connection in use. It is terminated if the driver has lost track of its state.
    """
    try:
        yield
    except _CANNOT_REACH as error:
        raise Unavailable("Postgres", str(error) or type(error).__name__) from error
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


class _PooledConnection(Connection):
    """A connection without a reset after each use.

    No code here changes the session, and a reset costs a trip.
    """

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A pool of connections to one database.

    The first use connects. After a loss of the server, the next use connects again.
    """

    def __init__(self, url: str, *, max_connections: int = 10, command_timeout_seconds: float = 30) -> None:
        self.url = url
        self._max_connections = max_connections
        self._command_timeout_seconds = command_timeout_seconds
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._down: str | None = None

    @property
    def shown_url(self) -> str:
        """The URL without the password."""
        return without_password(self.url)

    @asynccontextmanager
    async def connection(self, *, timeout_seconds: float = 5) -> AsyncIterator[Connection]:
        """A pooled connection. Raises Unavailable if none is free in time, or if it breaks during its use."""
        with reaching_postgres():
            pool = await self._opened()
            acquired = await pool.acquire(timeout=timeout_seconds)
        connection: Any = acquired
        try:
            with reaching_postgres(connection):
                yield connection
        finally:
            with reaching_postgres():
                await pool.release(acquired, timeout=timeout_seconds)

    async def connect(self, application_name: str, *, durable: bool = True) -> Connection:
        """A connection outside the pool, for session locks. The caller closes it. Raises Unavailable.

        durable: whether a commit waits for the disk. If not, a crash of the server may undo the newest
        commits, whole and in order. Use that only for data that is derived from the log: it is derived again.
        """
        settings = {"application_name": application_name} | ({} if durable else {"synchronous_commit": "off"})
        with reaching_postgres():
            connection: Connection = await asyncpg.connect(
                self.url,
                timeout=5,
                command_timeout=self._command_timeout_seconds,
                server_settings=settings,
            )
            return connection

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
                return await self.ping()
            except Unavailable as error:
                if error.reason != logged:
                    logger.warning("cannot reach Postgres at %s: %s; retrying", self.shown_url, error.reason)
                    logged = error.reason
            await asyncio.sleep(retry_seconds)

    def must_be_up(self) -> None:
        """Raises Unavailable at once while `watch` finds the server unreachable."""
        if self._down is not None:
            raise Unavailable("Postgres", self._down)

    async def watch(self, retry_seconds: float = 0.5) -> None:
        """Holds a connection open to detect at once that the server is lost. Runs until cancelled."""
        while True:
            ended = asyncio.Event()
            try:
                connection = await self.connect("commander watch")
                connection.add_termination_listener(lambda _, ended=ended: ended.set())
                if self._down is not None:
                    logger.warning("connected to Postgres again")
                self._down = None
                try:
                    await ended.wait()
                finally:
                    connection.terminate()
                raise Unavailable("Postgres", f"the connection to {self.shown_url} is down")
            except Unavailable as error:
                if self._down is None:
                    logger.warning("%s", error)
                self._down = error.reason
            await asyncio.sleep(retry_seconds)

    async def close(self) -> None:
        """Closes the pool. After five seconds it ends connections that are still in use."""
        if self._pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._pool.terminate()

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
                    server_settings={"application_name": "commander"},
                    connection_class=_PooledConnection,
                )
            return self._pool
