"""Checkpoints and snapshots must not be beyond the end of what they belong to: whoever follows from there
leaves out what comes until then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.sql import statement

_POSITIONS = statement("audit_positions")
_KINDS = {
    "projection": (Kind.PROJECTION_BEYOND, Mend.PROJECTION, "its rows are of another log"),
    "effect": (Kind.EFFECT_BEYOND, Mend.EFFECT, "which events up to there it was called for is lost"),
    "reactor": (Kind.REACTOR_BEYOND, Mend.REACTOR, "it would not handle the events until then"),
    "snapshot": (Kind.SNAPSHOT_BEYOND, Mend.SNAPSHOT, "it is not used"),
    "names": (Kind.NAMES, Mend.NAMES, "the names until then would not be counted"),
}


async def _positions(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    for what, name, position, newest in await audit.database.fetch(_POSITIONS):
        kind, mend, meaning = _KINDS[what]
        end = "its stream" if what == "snapshot" else "the log"
        text = f"it is at {position}, {end} ends at {newest}: {meaning}"
        yield Finding(kind, name or "stored_names_counted", text, Repair(mend, name))


POSITIONS = Check("no checkpoint and no snapshot is beyond the log", _positions)
