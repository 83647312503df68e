"""The pool of connections of a process, and whose turn it is to take one of them.

Each kind of work has turns of its own, so a burst of one kind leaves connections free for the other kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg

from commander.domain.errors import Overloaded, Unavailable
from commander.eventstore.circuits import TICK_SECONDS
from commander.eventstore.sessions import PooledConnection

CONNECT_SECONDS = 5.0
"""How long a new connection may take at most."""
_NEAR_SECONDS = 2.0
"""How long a new connection to a server that is near may take."""
_TRIPS = 12
"""How many trips a new connection may take. It takes some seven."""
_DRIVER_SECONDS = 60.0
"""The limit of the driver for a new connection. It counts moments in which this process could not run too."""
_RETRY_AFTER_SECONDS = 5


class Turns:
    """Lets a number of tasks at a time take a connection, in the order in which they ask.

    connections: how many. max_waiting: the most tasks that wait for their turn. max_wait_seconds: how long
    one waits at most. None: no limit, for work that has limits of its own.
    """

    def __init__(
        self, connections: int, *, max_waiting: int | None = None, max_wait_seconds: float | None = None
    ) -> None:
        self.connections = connections
        self._free = asyncio.Semaphore(connections)
        self._max_waiting = max_waiting
        self._max_wait_seconds = max_wait_seconds
        self.waiting = 0

    def must_take_another(self) -> None:
        """Raises Overloaded at once if as many tasks wait as may."""
        if self._max_waiting is not None and self._free.locked() and self.waiting >= self._max_waiting:
            problem = f"{self.waiting} operations wait for a connection to Postgres, which is the limit"
            raise Overloaded(f"{problem}; try again later", _RETRY_AFTER_SECONDS)

    async def take(self) -> None:
        """Returns when it is this task's turn, which ends with `give_back`. Raises Overloaded at a limit."""
        if not self._free.locked():
            await self._free.acquire()  # it does not wait, so it needs no timer
            return
        self.must_take_another()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            problem = f"no connection to Postgres was free for {self._max_wait_seconds:g} seconds"
            raise Overloaded(f"{problem}; try again later", _RETRY_AFTER_SECONDS) from None
        finally:
            self.waiting -= 1

    def give_back(self) -> None:
        """Ends the turn of a task."""
        self._free.release()


class Pool:
    """The connections of a process. The first use connects. begin: sets up a new connection.

    Whoever takes one has a turn (Turns), so `acquire` waits for the server and never for another task.
    """

    def __init__(
        self,
        url: str,
        max_connections: int,
        command_timeout_seconds: float,
        begin: Callable[[Any], Coroutine[Any, Any, None]],
    ) -> None:
        self._url = url
        self._max_connections = max_connections
        self._command_timeout_seconds = command_timeout_seconds
        self._begin = begin
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def acquire(self, trip_seconds: float | None) -> Any:
        """A connection that the other side has not ended while it was idle.

        Raises Unavailable if a new one is needed and takes too long: a paused server accepts connections and
        does not answer. trip_seconds: to the server and back; None if it is not known. Moments in which this
        process could not run do not count.
        """
        seconds = _connect_seconds(trip_seconds)
        pool = await self._opened()
        try:
            for _ in range(self._max_connections):
                acquired: Any = await _acquired(pool, seconds)
                if not acquired.is_ended():
                    return acquired
                acquired.terminate()
                await pool.release(acquired)
            return await _acquired(pool, seconds)
        except TimeoutError as error:
            reason = f"there was no new connection within {seconds:g} seconds"
            raise Unavailable("Postgres", reason) from error

    async def release(self, connection: Any, timeout_seconds: float) -> None:
        """Gives a connection back."""
        assert self._pool is not None, "the connection is from it"
        await self._pool.release(connection, timeout=timeout_seconds)

    async def renew(self) -> None:
        """Replaces each connection before its next use."""
        if self._pool is not None:
            await self._pool.expire_connections()

    async def close(self) -> None:
        """Closes the connections. After five seconds it ends those that are still in use."""
        if self._pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except Exception:  # the driver has errors of many kinds
                self._pool.terminate()

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._max_connections,
                    timeout=_DRIVER_SECONDS,
                    command_timeout=self._command_timeout_seconds,
                    max_inactive_connection_lifetime=300,
                    max_cached_statement_lifetime=0,  # to prepare a statement again is a trip
                    server_settings={"application_name": "commander"},
                    connection_class=PooledConnection,
                    init=self._begin,
                )
            return self._pool


def _connect_seconds(trip_seconds: float | None) -> float:
    if trip_seconds is None:
        return CONNECT_SECONDS
    return min(max(_NEAR_SECONDS, trip_seconds * _TRIPS), CONNECT_SECONDS)


async def _acquired(pool: asyncpg.Pool[asyncpg.Record], timeout_seconds: float) -> Any:
    if pool.get_idle_size():
        return await pool.acquire(timeout=CONNECT_SECONDS)
    connecting = asyncio.ensure_future(pool.acquire(timeout=_DRIVER_SECONDS))
    try:
        for _ in range(round(timeout_seconds / TICK_SECONDS)):
            done, _ = await asyncio.wait((connecting,), timeout=TICK_SECONDS)
            if done:
                break
        else:
            raise TimeoutError
    except BaseException:
        connecting.cancel()
        connecting.add_done_callback(lambda _: _let_go(pool, connecting))
        raise
    return connecting.result()


def _let_go(pool: asyncpg.Pool[asyncpg.Record], connecting: asyncio.Future[Any]) -> None:
    """Gives a connection back that nobody waits for any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        acquired = connecting.result()
        acquired.terminate()
        _releasing.add(task := asyncio.ensure_future(pool.release(acquired)))
        task.add_done_callback(_releasing.discard)


_releasing: set[asyncio.Future[None]] = set()
