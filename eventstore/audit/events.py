"""The log: positions and versions without gaps, and each event as its outcome says.

The outcomes of a range of the log are those between the outcome of its first event and that of its last. So a
range is compared with one join. An event that does not fit is compared again with all outcomes, because its
range may begin or end with another damaged one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import LONG_SECONDS, reading
from commander.eventstore.database import Connection
from commander.eventstore.sql import statement

_EVENTS = statement("audit_events")
_STREAMS = statement("audit_streams")
_MISSING = statement("missing_positions")
_COUNT = "select count(*) from events where position > $1 and position <= $2"
_RANGE = 20_000
_MOST = 100
_NUMBER = "select number from commands where command_id = (select command_id from events where position"
_BOUNDS = f"select ({_NUMBER} = $1)), ({_NUMBER} = $2))"
HASHED = """set local enable_nestloop to off; set local enable_mergejoin to off;
            set local enable_seqscan to off; set local enable_sort to on"""
"""A table without statistics, because it was filled a moment ago, looks small to the planner.

It would compare each event of a range with each outcome, or read the whole log for each range. With sorting
off, it would look up the outcome of each event for itself: what is found is sorted, and that is little."""
GROUPED = "set local enable_sort to on; set local max_parallel_workers_per_gather to 0"
"""Versions come along their index if that has all, and by the order of the table otherwise.

With sorting off, they would always come along the index, with a row of the table looked up for each."""


async def _events(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    found = 0
    async with reading(audit.database) as connection:
        await connection.execute(HASHED)
        for after in range(0, audit.position, _RANGE):
            up_to = min(after + _RANGE, audit.position)
            for finding in await _in_range(connection, audit, after, up_to):
                found += 1
                yield finding
            if found >= _MOST:
                return
            show(up_to, audit.position)


async def _in_range(connection: Connection, audit: Audit, after: int, up_to: int) -> list[Finding]:
    low, high = await connection.fetchrow(_BOUNDS, after + 1, up_to) or (None, None)
    if low is None or high is None or low > high:
        low, high = 0, audit.commands
    across = [name for decider in audit.domain.deciders.values() for name in decider.command.names]
    different = await connection.fetch(_EVENTS, after, up_to, low, high, across)
    if different and (low, high) != (0, audit.commands):
        different = await connection.fetch(_EVENTS, after, up_to, 0, audit.commands, across)
    missing: list[asyncpg.Record] = []
    if await connection.fetchval(_COUNT, after, up_to) < up_to - after:
        missing = await connection.fetch(_MISSING, after, up_to, _MOST)
    return [_missing(row["position"]) for row in missing] + [_unlike_its_outcome(row) for row in different]


def _missing(position: int) -> Finding:
    repair = Repair(Mend.EVENT, str(position))
    return Finding(Kind.EVENT_MISSING, f"position {position}", "the log has no event here", repair)


def _unlike_its_outcome(row: asyncpg.Record) -> Finding:
    where = f"position {row['position']}"
    if not row["decided"]:
        lost = "which has no outcome: its content, its digest and its status are lost"
        return Finding(
            Kind.OUTCOME_MISSING, where, f"the event is of the command {row['command_id']}, {lost}"
        )
    command = f"the command {row['command_id']}"
    first, last = row["last"] - row["event_count"] + 1, row["last"]
    own = row["stream"] == row["command_stream"]
    if not first <= row["position"] <= last or own != (row["status"] == "APPLIED"):
        extent = f"events {first} to {last}" if first <= last else "no events"
        what = f"{command} is {row['status']} with {extent}, and this event of {row['stream']} is its"
        return Finding(Kind.OUTCOME_DIFFERS, where, what, Repair(Mend.OUTCOME, str(row["command_id"])))
    wanted = {
        "version": row["last_version"] - (last - row["position"]) if own else 1,
        "correlation_id": row["command_correlation"],
        "causation_position": row["command_causation"],
        "recorded_at": row["decided_at"],
    }
    wrong = [f"{name} {row[name]}, not {value}" for name, value in wanted.items() if row[name] != value]
    what = f"{command} says of this event: {'; '.join(wrong) or 'it is a rejection'}"
    return Finding(Kind.EVENT_DIFFERS, where, what, Repair(Mend.EVENT, str(row["position"])))


async def _versions(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    async with reading(audit.database) as connection:
        await connection.execute(GROUPED)
        rows = await connection.fetch(_STREAMS, timeout=LONG_SECONDS)
    for stream, many, first, last in rows:
        what = f"{many} events, of versions {first} to {last}: one is missing, or has another's version"
        yield Finding(Kind.VERSIONS, stream, what)


EVENTS = Check("the log is dense, and its events are those of its outcomes", _events)
VERSIONS = Check("versions within a stream are dense", _versions)
