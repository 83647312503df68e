"""Connections to Postgres, and the errors that mean that it cannot be reached or cannot work."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from typing import Any

import asyncpg

from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.circuits import Circuit
from commander.eventstore.pool import CONNECT_SECONDS, Pool, Turns
from commander.eventstore.poolers import LOST_STATEMENT, NotASession, is_refusal, must_be_session
from commander.eventstore.presence import Presence
from commander.eventstore.sessions import Connection as Connection
from commander.eventstore.sessions import (
    OwnConnection,
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
    except LOST_STATEMENT as error:
        raise NotASession from error
    except asyncpg.InternalClientError as error:  # the server ended the session, the socket is still open
        if connection is not None and not _is_gone(connection):
            connection.terminate()
        raise Unavailable("Postgres", f"the connection broke ({error})") from error
    except asyncpg.InterfaceError as error:
        if connection is None or _is_gone(connection):
            raise Unavailable("Postgres", str(error)) from error
        raise


@contextmanager
def connecting_to_postgres() -> Iterator[None]:
    """The same for a connection that begins. If it is refused, the trouble is REFUSED."""
    try:
        with reaching_postgres():
            yield
    except (Unavailable, asyncpg.PostgresError) as error:
        cause = error.__cause__ or error
        if not is_refusal(cause):
            raise
        message = " ".join(str(cause).split("\n"))
        reason = f"it refuses this process: {message}; check COMMANDER_POSTGRES_URL"
        raise Unavailable("Postgres", reason, Trouble.REFUSED) from cause


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
        # One more for the share of others: each kind of work has a connection at least.
        self._pool = Pool(url, max(2, max_connections), command_timeout_seconds, self._begin_pooled)
        self._turns = Turns(max_connections)
        self._presence = presence or Presence(url)
        self.circuit = Circuit("Postgres", logger)
        self._server: str | None = None
        self._new_server: Callable[[], None] | None = None

    @property
    def shown_url(self) -> str:
        """The URL without the password."""
        return without_password(self.url)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A pooled connection, when it is this task's turn. Raises Unavailable if it breaks during its use.

        Raises it too, at once, when the server is found unreachable, and Overloaded at a limit of `share`. A
        connection that the server, or a proxy before it, ended while it was idle is replaced. A new
        connection may take two seconds, and longer only if the server is far away.
        """
        turns = self._turns
        async with self.circuit.answering():
            await turns.take()
            try:
                with connecting_to_postgres():
                    connection = await self._pool.acquire(self.circuit.trip_seconds)
                try:
                    with reaching_postgres(connection):
                        yield connection
                finally:
                    if self.circuit.unreachable is not None and not _is_gone(connection):
                        connection.terminate()  # a silent server would not let it go
                    with reaching_postgres():
                        await self._pool.release(connection, CONNECT_SECONDS)
            finally:
                turns.give_back()

    def share(self, connections: int, *, max_waiting: int, max_wait_seconds: float) -> Database:
        """The same database for operations of clients, which take at most this many connections of the pool.

        The rest, at least one, is left for this one, which has no limits. max_waiting, max_wait_seconds: how
        many operations wait for a connection, and how long. Beyond that, `connection` raises Overloaded.
        """
        shared = copy(self)
        shared._turns = Turns(connections, max_waiting=max_waiting, max_wait_seconds=max_wait_seconds)
        self._turns = Turns(max(1, self._max_connections - connections))
        return shared

    @property
    def waiting(self) -> int:
        """How many tasks wait for a connection."""
        return self._turns.waiting

    def must_take_another(self) -> None:
        """Raises Overloaded at once if as many tasks wait for a connection as may."""
        self._turns.must_take_another()

    async def connect(self, application_name: str, *, durable: bool = True) -> Connection:
        """A connection outside the pool, for session locks. The caller closes it.

        Raises Unavailable, and NotASession.

        Other processes end it if this process falls silent, see presence.py.
        durable: whether a commit waits for the disk. If not, a crash of the server may undo the newest
        commits, whole and in order. Use that only for data that is derived from the log: it is derived again.
        """
        connection = await self._connected(application_name, durable=durable)
        try:
            with reaching_postgres(connection):
                await must_be_session(connection, self.url)
                await self._presence.bind(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def connect_without_locks(self, application_name: str) -> Connection:
        """A connection outside the pool, for no session locks. The caller closes it. Raises Unavailable."""
        return await self._connected(application_name)

    async def must_have_sessions(self) -> None:
        """Raises NotASession if a pooler before Postgres shares sessions, and Unavailable."""
        connection = await self._connected("commander start")
        try:
            with reaching_postgres(connection):
                await must_be_session(connection, self.url)
        finally:
            connection.terminate()

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
        await self._pool.renew()

    async def close(self) -> None:
        """Closes the pool. After five seconds it ends connections that are still in use."""
        self._presence.close()
        await self._pool.close()

    async def _connected(self, application_name: str, *, durable: bool = True) -> OwnConnection:
        with connecting_to_postgres():
            connection: OwnConnection = await asyncpg.connect(
                self.url,
                timeout=CONNECT_SECONDS,
                command_timeout=self._command_timeout_seconds,
                max_cached_statement_lifetime=0,  # to prepare a statement again is a trip
                server_settings={"application_name": application_name},
                connection_class=OwnConnection,
            )
            connection.circuit = self.circuit
            try:
                await begin_session(connection, durable=durable)
                connection.backend_pid = await self._know_server(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def _begin_pooled(self, connection: Any) -> None:
        connection.circuit = self.circuit
        await begin_pooled_session(connection)
        await self._know_server(connection)

    async def _know_server(self, connection: Connection) -> int:
        """Notes which server this is. Returns the process id of the session."""
        found, pid = await server_of(connection)
        before, self._server = self._server, found
        if found != before and before is not None and self._new_server is not None:
            self._new_server()
        return pid
