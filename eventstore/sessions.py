"""Sessions of Postgres: how each is set up, and which of the server's time limits hold for it.

An operator can limit sessions, transactions and statements for a role or a database. Our sessions wait for
work, so they are never ended for being idle. Statements and transactions keep the operator's limits, except
those whose time grows with the log (`unlimited`).

A session ends when the network to the other side is lost, see sockets.py. A transaction of the pool also
ends when its process is silent. A session with locks is bound to its process in another way, see
presence.py.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import asyncpg

from commander.eventstore.circuits import Circuit
from commander.eventstore.sockets import (
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_INTERVAL_SECONDS,
    KEEPALIVES,
    SILENT_SECONDS,
    limit_silence,
)

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:  # it is generic in the type stubs only
    Connection = asyncpg.Connection

_SESSION = f"""
set idle_session_timeout = 0;
set default_transaction_isolation = 'read committed';
set tcp_user_timeout = {SILENT_SECONDS * 1000};
set tcp_keepalives_idle = {KEEPALIVE_IDLE_SECONDS};
set tcp_keepalives_interval = {KEEPALIVE_INTERVAL_SECONDS};
set tcp_keepalives_count = {KEEPALIVES}
"""
_MOST_IDLE_SECONDS = 10
"""How long a transaction of the pool may wait for its process, which waits for nothing else meanwhile."""
_POOLED_SESSION = f"""{_SESSION};
set plan_cache_mode = force_custom_plan;
select set_config(name, '{_MOST_IDLE_SECONDS}s', false) from pg_settings
where name = 'idle_in_transaction_session_timeout'
  and setting::int not between 1 and {_MOST_IDLE_SECONDS * 1000}
"""
"""A plan for each use, and a limit for transactions, unless the operator's is lower.

Statements of the pool have optional parts and binds of any selectivity.

Without custom plans, Postgres keeps a generic plan after five costly uses of a statement on a connection.
Such a plan reads the whole log for the events of one stream. Planning a lookup by one key took 40 µs; for
statements that Postgres plans anew anyway it makes no difference.
"""
_NOT_DURABLE = "; set synchronous_commit = off"
"""Not with the login: a pooler refuses settings there."""
_SERVER = """
select oid || ' ' || pg_postmaster_start_time() as server, pg_backend_pid() as pid
from pg_database where datname = current_database()
"""
_UNLIMITED = """
select set_config(name, '0', true) from pg_settings
where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""


async def begin_session(connection: Connection, *, durable: bool = True) -> None:
    """Sets up a session outside the pool. A lock may depend on it, which must not end with an idle hour.

    durable: whether a commit waits for the disk.
    """
    _limit_silence(connection)
    await connection.execute(_SESSION if durable else _SESSION + _NOT_DURABLE)


async def begin_pooled_session(connection: Connection) -> None:
    """Sets up a session of the pool."""
    _limit_silence(connection)
    await connection.execute(_POOLED_SESSION)


def _limit_silence(connection: Any) -> None:
    limit_silence(connection._transport)


async def server_of(connection: Connection) -> tuple[str, int]:
    """A text that all sessions of a database share until the server starts again, and the process id."""
    found = await connection.fetchrow(_SERVER)
    assert found is not None, "it has one row"
    return found["server"], found["pid"]


async def unlimited(connection: Connection) -> None:
    """Lifts the server's time limits until the end of the current transaction.

    For work whose time grows with the log: migrations, indexes, audits, imports. Nobody waits for it.
    """
    await connection.execute(_UNLIMITED)


class OwnConnection(Connection):
    """A connection that knows the circuit of its server, so that failed writes are noted there.

    backend_pid: the process of its session. Through a pooler, `get_server_pid` gives another number.
    """

    circuit: Circuit | None = None
    backend_pid = 0


class PooledConnection(OwnConnection):
    """A connection without a reset after each use.

    No code here changes the session, and a reset costs a trip.
    """

    _transport: Any

    def get_reset_query(self) -> str:
        return ""

    def is_ended(self) -> bool:
        """Whether the other side has ended this idle connection. It asks the socket, not the server.

        An idle server sends nothing. So whatever can be read is the end of the connection or a message before
        it. (It can be a notice too. Then the connection is replaced needlessly.)
        """
        if self.is_closed():
            return True
        ready = select.poll()
        ready.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(ready.poll(0))
