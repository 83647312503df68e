"""The states of each reactor against a fold of the log, up to where its partitions have folded it.

The fold is that of a replay (streaming/reactors/replaying.py): no command is sent. It is written to a
temporary table, which hides the stored one within the transaction. So memory stays bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from commander.domain import Domain, ReactorType
from commander.domain.errors import CommanderError
from commander.domain.lookups import REACTION_REJECTED
from commander.eventstore.audit.comparing import different_states, hide_states
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import reading
from commander.eventstore.batches import may_be_cut
from commander.eventstore.database import Connection, Database
from commander.eventstore.log.checkpoints import settled_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log_within
from commander.eventstore.reactions.parked import parked_keys, skipped_positions
from commander.eventstore.reactions.reactors import Checkpoint, save_states
from commander.eventstore.records import EventFilter
from commander.streaming.nats.clock import Clock
from commander.streaming.reactors.reactions import Parked, Reacting

_BATCH = 2_000
_SHOWN = 10
_BEGIN = """select fingerprint, case when exists (
                select from reactor_states as s where s.reactor = r.name and s.position <= r.folded_position
            ) then 0 else folded_position end as begin
            from reactors as r where name = $1"""


class OtherStates(CommanderError):
    """Other code made the states, so this code cannot tell whether they are right."""


class FoldFailed(CommanderError):
    """The domain's code fails on an event."""


def states_checks(domain: Domain) -> list[Check]:
    """A check for each reactor with a key."""
    return [_check_of(reactor) for reactor in domain.reactors.values() if reactor.key is not None]


def _check_of(reactor: ReactorType) -> Check:
    async def run(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        try:
            for finding in await _differences(audit, reactor, show):
                yield finding
        except FoldFailed as error:
            yield Finding(Kind.STATE_FAILS, reactor.name, str(error))

    return Check(f"the states of the reactor {reactor.name} are a fold of the log", run)


async def _differences(audit: Audit, reactor: ReactorType, show: Show) -> list[Finding]:
    name, database = reactor.name, audit.database
    partitions = await settled_partitions(database)
    async with reading(database, "repeatable_read") as connection:
        known = await connection.fetchrow(_BEGIN, name)
        if known is None:
            return []
        if known["fingerprint"] not in (None, audit.domain.fingerprint_of(reactor)):
            shown = "cannot be compared: other code made them, see `commander reactors replay`"
            raise OtherStates(f"the states of the reactor {name} {shown}")
        rows = await connection.fetch(
            "select partition, folded_position from reactor_partitions where reactor = $1", name
        )
        end = {row["partition"]: row["folded_position"] for row in rows}
        stored = await hide_states(connection)
        reacting = Reacting(audit.domain, database, reactor, partitions, Clock())
        types = stored_types(audit.domain, reactor)
        await _fold(connection, database, reacting, types, known["begin"], end, show)
        different = await different_states(connection, stored, name, _SHOWN)
    return [
        Finding(
            Kind.STATE_DIFFERS,
            f"the key {key} of {name}",
            f"it is {before}, the fold gives {after} ({total} keys differ)",
            Repair(Mend.REACTOR, name),
        )
        for key, total, before, after in different
    ]


def stored_types(domain: Domain, reactor: ReactorType) -> frozenset[str]:
    """The types of events, as they may be stored, that a reactor handles."""
    taken = [type_.name for cls, type_ in domain.event_of.items() if reactor.takes(cls)]
    return domain.event_names(taken) | ({REACTION_REJECTED} if reactor.rejections else frozenset())


async def _fold(
    connection: Connection,
    database: Database,
    reacting: Reacting,
    types: frozenset[str],
    begin: int,
    ends: Mapping[int, int],
    show: Show,
) -> None:
    """Folds the log from a position to the end of each partition. Raises FoldFailed and Unavailable."""
    waiting = await parked_keys(connection, reacting.name, ends)
    skipped = await skipped_positions(connection, reacting.name)
    parked = Parked({one.key: one.handled for one in waiting}, skipped, most=0)
    head = await head_position(database)
    left: dict[int, Any] = {p: min(end, head) for p, end in ends.items() if min(end, head) > begin}
    last = max(left.values(), default=0)
    position = begin
    while left:
        end = min(*left.values(), position + _BATCH)
        events = await read_log_within(connection, position, end, EventFilter(types))
        if may_be_cut(events, _BATCH):
            end = events[-1].position
        folding = {partition: Checkpoint(up_to, position) for partition, up_to in left.items()}
        reactions, failed, _ = await reacting.to(connection, events, folding, parked)
        if failed:
            first = min(failed.values())
            raise FoldFailed(f"the fold fails at position {first.position}: {first.reason}")
        await save_states(connection, reacting.name, reactions.changed)
        position = end
        left = {partition: up_to for partition, up_to in left.items() if up_to > position}
        show(position, last)
