"""Keeps the circuit of Postgres, by asking it over a connection of its own.

connecting ──► asking, a few times in a second ──► connecting …     (when the connection ends)
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.database import Connection, Database, reaching_postgres

_NAME = "commander watch"
_PROBE = "select current_setting('transaction_read_only')::bool as read_only, pg_is_in_recovery() as standby"
_STANDBY = "it is a standby or in recovery, and takes no writes"
_READ_ONLY = "it takes no writes: default_transaction_read_only is on"


async def watch_postgres(database: Database, retry_seconds: float = 0.5) -> None:
    """Keeps `database.circuit`: finds out when the server is lost, silent or read-only. Runs until cancelled.

    The loss of the connection alone means nothing, nor does one failed try to replace it: the server is lost
    if the second one fails too.
    """
    circuit, loop = database.circuit, asyncio.get_running_loop()
    while True:
        try:
            connection = await circuit.probe_twice(
                lambda: database.connect_without_locks(_NAME), drop=Connection.terminate
            )
        except Unavailable as error:
            circuit.open(Trouble.REFUSED if error.trouble is Trouble.REFUSED else Trouble.AWAY, error.reason)
            await asyncio.sleep(retry_seconds)
            continue
        except TimeoutError:
            continue
        connected_at = loop.time()
        connection.add_termination_listener(lambda _: circuit.doubted.set())
        try:
            with suppress(Unavailable, TimeoutError), reaching_postgres(connection):
                await _ask(database, connection)
        finally:
            connection.terminate()
        if loop.time() < connected_at + retry_seconds:  # whatever ends it so soon may do so again
            await asyncio.sleep(retry_seconds)


async def _ask(database: Database, connection: Connection) -> None:
    """Asks until another session must ask: a session keeps the settings that it began with.

    So while the server is read-only, or is said to be, each question has a session of its own.
    """
    circuit = database.circuit
    while True:
        found = await circuit.probe(connection.fetchrow(_PROBE))
        assert found is not None, "it has one row"
        if circuit.close():
            await database.renew()
        if found["read_only"]:
            circuit.report(Trouble.READ_ONLY, _STANDBY if found["standby"] else _READ_ONLY)
            return
        if circuit.takes_writes():
            await database.renew()  # its sessions may have begun as read-only
        await circuit.pause()
        if circuit.unwritable is not None and circuit.unwritable.trouble is Trouble.READ_ONLY:
            return
