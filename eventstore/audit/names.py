"""The counts of stored names. By them a part decides whether its code knows all that is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import LONG_SECONDS, reading
from commander.eventstore.sql import statement

_NAMES = statement("audit_names")


async def _names(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    async with reading(audit.database) as connection:
        rows = await connection.fetch(_NAMES, timeout=LONG_SECONDS)
    for kind, aggregate, name, counted, many in rows:
        where = f"{kind} {name}" + (f" of {aggregate}" if aggregate else "")
        yield Finding(Kind.NAMES, where, f"{counted} are counted, there are {many}", Repair(Mend.NAMES))


NAMES = Check("the names in the log are counted", _names)
