"""What an audit finds, and what can be done about it. docs/repairing.md explains each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

from commander.domain import Domain
from commander.eventstore.audit.log_pages import Pages, log_pages
from commander.eventstore.audit.reading import reading
from commander.eventstore.database import Database


class Kind(StrEnum):
    """What is wrong. The value is what the user sees."""

    EVENT_MISSING = "event missing"
    EVENT_DIFFERS = "event differs"
    VERSIONS = "versions"
    OUTCOME_MISSING = "outcome missing"
    OUTCOME_DIFFERS = "outcome differs"
    DIGEST = "digest"
    EPOCH = "epoch"
    NAMES = "names"
    PROJECTION_BEYOND = "projection beyond"
    PROJECTION_DIFFERS = "projection differs"
    PROJECTION_FAILS = "projection fails"
    EFFECT_BEYOND = "effect beyond"
    REACTOR_BEYOND = "reactor beyond"
    STATE_DIFFERS = "state differs"
    STATE_FAILS = "state fails"
    SNAPSHOT_BEYOND = "snapshot beyond"
    SNAPSHOT_DIFFERS = "snapshot differs"
    INDEX_DIFFERS = "index differs"
    MIRROR_MISSING = "mirror missing"
    MIRROR_BEYOND = "mirror beyond"
    MIRROR_GAP = "mirror gap"
    MIRROR_DIFFERS = "mirror differs"
    MIRROR_LIMITED = "mirror limited"
    PROGRESS_BEYOND = "progress beyond"
    DEADLINE_MISSING = "deadline missing"
    DEADLINE_ORPHANED = "deadline orphaned"
    TICK_MISSING = "tick missing"
    PENDING_MISSING = "pending missing"


class Mend(StrEnum):
    """What `commander repair` can do. The order is that in which it is done: later ones read earlier ones."""

    EVENT = "write the event again, from the mirror"
    OUTCOME = "compute the outcome again, from its events and the outcomes before it"
    RESTORE = "begin a new epoch, as commander restore does"
    MIRROR_LIMITS = "configure the mirror again, without limits"
    MIRROR = "make the mirror again, from the log"
    NAMES = "count the names again"
    PROJECTION = "fold the log again, and write the rows that differ"
    SNAPSHOT = "drop the snapshot"
    INDEX = "drop the index; a processor builds it again at its start"
    EFFECT = "set the checkpoint to the end of the log"
    REACTOR = "set its checkpoints back to what it has handled, and fold its states again"
    DEADLINES = "schedule again what the states have, and take back the rest"
    PENDING = "send the pending commands again that Postgres has"


@dataclass(frozen=True)
class Repair:
    """A repair. subject: of what, such as a position, a command's id or a table; "" if there is one only."""

    mend: Mend
    subject: str = ""


@dataclass(frozen=True)
class Finding:
    """A promise that does not hold. where: at what. what: what was found there.

    repair: None if it cannot be made again: then `what` says what is lost.
    """

    kind: Kind
    where: str
    what: str
    repair: Repair | None = None


@dataclass(frozen=True)
class Audit:
    """What an audit works on.

    position, commands: the ends of the log at its start; what is later is left out. pages: reads the log for
    a fold. sample: the most snapshots to compare; None: all.
    """

    domain: Domain
    database: Database
    position: int
    commands: int
    pages: Pages
    sample: int | None = None


Show = Callable[[int, int], None]
"""Called with how much is done, and how much there is."""


@dataclass(frozen=True)
class Check:
    """One check. promise: what holds if it yields no finding. folds: it reads `pages`, which it may share.

    Its memory is bounded, and the system may run meanwhile. It raises Unavailable. Other errors of the
    library mean that it could not be completed.
    """

    promise: str
    run: Callable[[Audit, Show], AsyncIterator[Finding]]
    folds: bool = False


async def begun(domain: Domain, database: Database, sample: int | None = None) -> Audit:
    """An audit of the log as it is now: up to its last event, or up to that of its last outcome."""
    async with reading(database) as connection:
        row = await connection.fetchrow(
            """select greatest(position, (select position from commands order by number desc limit 1)) as end,
                      commands from log_head"""
        )
    assert row is not None, "a migration inserts the row of log_lock"
    return Audit(domain, database, row["end"], row["commands"], log_pages(database), sample)
