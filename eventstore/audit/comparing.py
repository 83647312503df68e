"""Statements of the audits in streaming/audit: what they compare is not in Postgres alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from commander.eventstore.audit.reading import LONG_SECONDS
from commander.eventstore.database import Connection
from commander.eventstore.sql import statement

_MIRROR = statement("audit_mirror")
_PARTS = statement("read_parts")
_STATES = statement("audit_states")
_STORED = """select format('%I.%I', relnamespace::regnamespace, relname) from pg_class
             where oid = 'reactor_states'::regclass"""


class FoldEvent(NamedTuple):
    """What a fold of a stream needs of an event."""

    stream: str
    version: int
    position: int
    type: str
    schema_version: int
    data: str


class Difference(NamedTuple):
    """A state unlike its fold. total: how many do. stored, folded: as JSON; None if there is none."""

    key: str
    total: int
    stored: str | None
    folded: str | None


async def mirror_digest(connection: Connection, after: int, up_to: int) -> tuple[int, str]:
    """How many events a range of the log has, and the digest of their messages: see audit_mirror.sql."""
    row = await connection.fetchrow(_MIRROR, after, up_to)
    assert row is not None, "a query without rows to group has one"
    return row["seen"], row["digest"]


async def read_parts(connection: Connection, parts: Sequence[tuple[str, int, int]]) -> list[FoldEvent]:
    """Parts of streams: (stream, after version, up to version). Ordered by stream and version."""
    rows = await connection.fetch(_PARTS, *(list(column) for column in zip(*parts, strict=True)))
    return [FoldEvent(*row) for row in rows]


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
