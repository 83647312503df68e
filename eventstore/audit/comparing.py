"""Statements of the audits in streaming/audit: what they compare is not in Postgres alone."""

from __future__ import annotations

from typing import NamedTuple

from commander.eventstore.audit.reading import LONG_SECONDS
from commander.eventstore.database import Connection
from commander.eventstore.sql import statement

_STATES = statement("audit_states")
_STORED = """select format('%I.%I', relnamespace::regnamespace, relname) from pg_class
             where oid = 'reactor_states'::regclass"""


class Difference(NamedTuple):
    """A state unlike its fold. total: how many do. stored, folded: as JSON; None if there is none."""

    key: str
    total: int
    stored: str | None
    folded: str | None


async def hide_states(connection: Connection) -> str:
    """Hides the states of reactors with an empty temporary table, until the transaction ends.

    Returns the name by which the stored ones are still found.
    """
    stored: str = await connection.fetchval(_STORED)
    await connection.execute(
        f"create temporary table reactor_states (like {stored} including indexes) on commit drop"
    )
    return stored


async def different_states(connection: Connection, stored: str, reactor: str, limit: int) -> list[Difference]:
    """The states of a reactor that differ from those in the temporary table. stored: from `hide_states`."""
    rows = await connection.fetch(_STATES.replace("STORED", stored), reactor, limit, timeout=LONG_SECONDS)
    return [Difference(*row) for row in rows]
