"""What answers a connection: Postgres, or a connection pooler such as PgBouncer; and what refuses one.

A session lock fences a writer only if the connection that writes keeps its session. A pooler in transaction
mode gives each transaction any session: then two processes hold "the same" lock, and nothing fails.
"""

from __future__ import annotations

import asyncio
import re
import secrets

import asyncpg

from commander.domain.errors import CommanderError
from commander.eventstore.sessions import OwnConnection

LOST_STATEMENT = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""Errors of a statement that the driver has prepared: it was prepared in another session."""
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedObjectError,  # an unknown setting in the URL
    asyncpg.InvalidParameterValueError,  # a wrong value of one
)
_POOLER_REFUSES = re.compile(
    "unsupported startup parameter|no such (database|user)|(password|SASL) authentication failed|"
    '(database|role) ".*" does not exist'
)
"""PgBouncer has one SQLSTATE for these and for an outage of Postgres: only its message tells them apart."""
_NOTIFY_SECONDS = 5.0
"""How long a message from one session to another may take."""


class NotASession(CommanderError):
    """A pooler before Postgres shares sessions between connections, so locks on them hold nobody back."""

    def __init__(self) -> None:
        super().__init__(
            "the connections to Postgres are not sessions: a pooler, such as PgBouncer, shares sessions "
            "between them; set pool_mode to session, or give COMMANDER_POSTGRES_URL the address of Postgres"
        )


async def must_be_session(connection: OwnConnection, url: str) -> None:
    """Raises NotASession, and the driver's errors. url: of the same server, through the same pooler.

    A pooler answers the login itself, with a process id that is not that of the session. Then another
    connection notifies this one while it is idle: only a session of its own can pass that on.
    """
    if connection.backend_pid == connection.get_server_pid():
        return
    notified = asyncio.Event()
    name = f"commander_{secrets.token_hex(8)}"

    def on_notify(*_: object) -> None:
        notified.set()

    await connection.add_listener(name, on_notify)
    other: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url, timeout=5)
    try:
        if await other.fetchval("select pg_backend_pid()") == connection.backend_pid:
            raise NotASession
        await other.execute(f"notify {name}")
        try:
            async with asyncio.timeout(_NOTIFY_SECONDS):
                await notified.wait()
        except TimeoutError:
            raise NotASession from None
    finally:
        other.terminate()
    await connection.remove_listener(name, on_notify)


def must_be_the_same(connection: object, pid: int) -> None:
    """Raises NotASession if this process id is not that of the connection's session."""
    if isinstance(connection, OwnConnection) and connection.backend_pid != pid:
        raise NotASession


def is_refusal(error: BaseException) -> bool:
    """Whether Postgres, or a pooler before it, answers and refuses a connection. To wait does not help."""
    if isinstance(error, asyncpg.ProtocolViolationError):
        return _POOLER_REFUSES.match(str(error)) is not None
    return isinstance(error, _REFUSED)
