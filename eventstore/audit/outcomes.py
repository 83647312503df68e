"""Outcomes: numbered without gaps, and each continues the log where the one before ends.

So the outcomes cut the log into parts, one for each. With events.py, which looks at which outcome an event is
of, each event is in exactly one outcome's part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import reading
from commander.eventstore.sql import statement

_COMMANDS = statement("audit_commands")
_RANGE = 20_000
_MOST = 100


async def _outcomes(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    found = 0
    async with reading(audit.database) as connection:
        for after in range(0, audit.commands, _RANGE):
            up_to = min(after + _RANGE, audit.commands)
            rows = await connection.fetch(_COMMANDS, after, up_to)
            for row in rows:
                found += 1
                yield _finding(row)
            if found >= _MOST:
                return
            show(up_to, audit.commands)


def _finding(row: asyncpg.Record) -> Finding:
    number = row["number"]
    if "number" in row["wrong"]:
        where = f"before number {number}"
        what = "an outcome is missing: what was asked and how it ended is lost"
        return Finding(Kind.OUTCOME_MISSING, where, what)
    problems = {
        "position": f"it ends at {row['position']} with {row['event_count']} events, the one before it at "
        f"{row['before_position']}",
        "time": "it is older than the one before it",
        "status": f"it is {row['status']} with the code {row['code']}",
        "count": f"it is {row['status']} with {row['event_count']} events",
        "version": f"{row['stream']} was not at version {row['version']} then",
    }
    what = "; ".join(problems[name] for name in row["wrong"])
    where = f"number {number}, the command {row['command_id']}"
    return Finding(Kind.OUTCOME_DIFFERS, where, what, Repair(Mend.OUTCOME, str(row["command_id"])))


OUTCOMES = Check("each command has one outcome, which continues the log", _outcomes)
