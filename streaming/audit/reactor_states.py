"""The states of each reactor against a fold of the log, up to where its partitions have folded it.

The fold is that of a replay (streaming/reactors/replaying.py): no command is sent. It is written to a
temporary table, which hides the stored one within the transaction. So memory stays bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing

from commander.domain import Domain, ReactorType
from commander.domain.errors import RAISED, CommanderError
from commander.domain.lookups import REACTION_REJECTED
from commander.eventstore.audit.comparing import different_states, hide_states
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.log_pages import LogEvent
from commander.eventstore.audit.reading import reading
from commander.eventstore.database import Connection
from commander.eventstore.log.checkpoints import settled_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_events
from commander.eventstore.reactions.parked import parked_keys, skipped_positions
from commander.eventstore.reactions.reactors import Checkpoint, save_states
from commander.streaming.nats.clock import Clock
from commander.streaming.reactors.reactions import Parked, Reacting

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

    return Check(f"the states of the reactor {reactor.name} are a fold of the log", run, folds=True)


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
        fold = _Fold(connection, audit, reactor, reacting, known["begin"])
        await fold.to(end, show)
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


class _Fold:
    """The fold of a reactor's states, from a position on."""

    def __init__(
        self, connection: Connection, audit: Audit, reactor: ReactorType, reacting: Reacting, begin: int
    ) -> None:
        self._connection = connection
        self._audit = audit
        self._reactor = reactor
        self._reacting = reacting
        self._types = stored_types(audit.domain, reactor)
        self._position = begin
        self._left: dict[int, int] = {}
        self._parked = Parked({}, ())

    async def to(self, ends: Mapping[int, int], show: Show) -> None:
        """Folds to the end of each partition. Raises FoldFailed and Unavailable."""
        name, begin = self._reacting.name, self._position
        waiting = await parked_keys(self._connection, name, ends)
        skipped = await skipped_positions(self._connection, name)
        self._parked = Parked({one.key: one.handled for one in waiting}, skipped, most=0)
        head = await head_position(self._audit.database)
        self._left = {p: min(end, head) for p, end in ends.items() if min(end, head) > begin}
        last = max(self._left.values(), default=begin)
        async with aclosing(self._audit.pages(last if last > begin else 0)) as log:
            async for page in log:
                concerned = self._concerned(page.events)
                while self._position < min(page.up_to, last):
                    end = min(*self._left.values(), page.up_to)
                    await self._take([p for p in concerned if self._position < p <= end], end)
                show(page.up_to, last)

    def _concerned(self, events: Iterable[LogEvent]) -> list[int]:
        """The positions of events that may change a state: all but those that are known to have no key."""
        domain, types, key_of = self._audit.domain, self._types, self._reactor.key_of
        found = []
        for event in events:
            if event.type not in types or event.position <= self._position:
                continue
            try:
                has_none = event.type != REACTION_REJECTED and key_of(event.instance(domain)) is None
            except RAISED:  # Reacting says what it means
                has_none = False
            if not has_none:
                found.append(event.position)
        return found

    async def _take(self, positions: Sequence[int], end: int) -> None:
        """Folds these events, and is then at `end`."""
        folding = {partition: Checkpoint(up_to, self._position) for partition, up_to in self._left.items()}
        events = await read_events(self._connection, positions) if positions else []
        reactions, failed, _ = await self._reacting.to(self._connection, events, folding, self._parked)
        if failed:
            first = min(failed.values())
            raise FoldFailed(f"the fold fails at position {first.position}: {first.reason}")
        await save_states(self._connection, self._reacting.name, reactions.changed)
        self._position = end
        self._left = {partition: up_to for partition, up_to in self._left.items() if up_to > end}
