"""Basis: what the decisions of a batch rest on beside their own events' versions, and the keys they move.

A decider may take the states of other streams, which another processor may own. A stream may claim a unique
key, which another one may hold. Both are taken as this processor knows them. The conditions of the append say
what was taken; see eventstore/log/conditions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from commander.domain import Domain
from commander.domain.deciders import QuerySource, Source, StreamSource
from commander.domain.unique import UniqueRule
from commander.eventstore.database import Connection, Database
from commander.eventstore.log.conditions import Change, Conditions, Key
from commander.eventstore.log.indexes import holders_of
from commander.eventstore.records import Decision, NewEvent, SubmittedCommand
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.key_holders import KeyHolders
from commander.streaming.commands.key_look_ups import NOBODY, KeyLookUps
from commander.streaming.commands.models import Folded, Models, ModelState, values_of
from commander.streaming.commands.needs import Needs, needs_of
from commander.streaming.commands.stream_states import StreamState


class Across(NamedTuple):
    """The rules across streams of a domain, as a processor keeps them.

    shared: the stored names of the aggregates that deciders over several states take. Whoever owns one
    of their streams is not the only one who writes to it.
    rules: the unique keys of each aggregate, by its stored name, each with the id of its index.
    refreshes: whether others may write to shared streams meanwhile.
    tags: the id of the index of the events' tags; None: the domain has no decision model.
    """

    shared: frozenset[str] = frozenset()
    rules: Mapping[str, Sequence[tuple[int, UniqueRule]]] = {}
    refreshes: Callable[[], bool] = lambda: True
    tags: int | None = None

    @property
    def known(self) -> list[int]:
        """The ids of all indexes."""
        keys = [index for rules in self.rules.values() for index, _ in rules]
        return keys if self.tags is None else [*keys, self.tags]


class Basis:
    """What the decisions of one batch rest on. states, holders: get what the decisions change.

    unknown: keys that were taken as free, though Postgres has not been asked.
    """

    def __init__(
        self,
        domain: Domain,
        across: Across,
        states: MutableMapping[str, StreamState],
        holders: KeyHolders,
        models: Models,
    ) -> None:
        self._domain = domain
        self._across = across
        self._states = states
        self._holders = holders
        self._models = models
        self._needs: dict[UUID, Needs] = {}
        self._read: dict[QuerySource, ModelState] = {}  # as they were read
        self._folded = Folded(domain, {})  # with what was decided since
        self._versions: dict[str, int] = {}
        self._changes: dict[Key, Change] = {}
        self.look_ups = KeyLookUps(across.rules, holders, self._changes)
        self._states_before: dict[str, StreamState] = {}
        self.unknown: set[Key] = set()

    def state(self, stream: str) -> StreamState:
        """The state of a stream, for a decision."""
        found = self._states[stream]
        if stream not in self._versions and stream.partition("-")[0] in self._across.shared:
            self._versions[stream] = found.version
        return found

    def needs_of(self, command: SubmittedCommand) -> Needs:
        """What the decision on a command of the batch needs."""
        if not self._domain.deciders:
            return Needs((command.stream,))
        found = self._needs.get(command.command_id)
        if found is None:
            found = self._needs[command.command_id] = needs_of(self._domain, command)
        return found

    def states_of(self, sources: Iterable[Source]) -> list[StreamState]:
        """The states that are folded from these sources."""
        return [self._state_of(one) for one in sources]

    def _state_of(self, source: Source) -> StreamState:
        if isinstance(source, StreamSource):
            return self.state(source.stream)
        return self._folded.states[source] if isinstance(source, QuerySource) else NOBODY

    def accept(self, after: Mapping[str, StreamState], events: Iterable[Any]) -> None:
        """Makes these the states of streams, after these events of one decision.

        Raises Rejected if another stream holds a key that one of them claims, and InvalidDecision. Then
        no state has changed. The holder of the key is a condition of the rejection.
        """
        moved = self._moved(after) if self._across.rules else {}
        self._folded.add(events)
        for key, change in moved.items():
            first = self._changes.get(key)
            self._changes[key] = change if first is None else Change(first.before, change.after)
            self._holders[key] = change.after
        for stream, state in after.items():
            self._states_before.setdefault(stream, self._states[stream])
            self._states[stream] = state

    def _moved(self, after: Mapping[str, StreamState]) -> Mapping[Key, Change]:
        """The keys that these states move. Raises as `accept`."""
        moved = dict[Key, Change]()
        keys = self._keys(after)
        for index, _, stream, held, wanted in keys:
            for text in held - wanted:
                moved[index, text] = Change(self._holders.get((index, text), stream), None)
        for index, rule, stream, held, wanted in keys:
            for text in wanted - held:
                key = index, text
                if moved and (released := moved.get(key)) is not None:
                    moved[key] = Change(released.before, stream)
                    continue
                holder = self._holders.get(key)
                if holder is None:
                    if key not in self._holders:
                        self.unknown.add(key)
                elif holder != stream:
                    self._changes.setdefault(key, Change(holder, holder))  # the rejection rests on it
                    raise rule.rejection
                moved[key] = Change(holder, stream)
        return moved

    def _keys(
        self, after: Mapping[str, StreamState]
    ) -> list[tuple[int, UniqueRule, str, frozenset[str], frozenset[str]]]:
        """For each rule of each of these streams: the keys that it holds, and those of its next state.

        Without those of a stream whose keys cannot have changed.
        """
        found = []
        for stream, state in after.items():
            for index, rule in self._across.rules.get(stream.partition("-")[0], ()):
                before = self._states[stream].state
                if rule.may_differ(before, state.state):
                    held = self._holders.keys_of(index, rule, stream, before)
                    wanted = self._holders.keys_of(index, rule, stream, state.state)
                    found.append((index, rule, stream, held, wanted))
        return found

    async def look_up(
        self,
        commands: Iterable[SubmittedCommand],
        database: Database,
        states: AggregateCache,
        *,
        ahead: bool,
    ) -> None:
        """Loads the other streams that these commands need.

        ahead: whether they are decided before their turn to commit. Then what others wrote is read too.
        """
        if not self._domain.deciders:
            return
        needed = [self.needs_of(command) for command in commands]
        others = {stream for one in needed for stream in one.streams[1:]}
        others |= await self.look_ups.find(needed, database)
        if missing := states.missing(others):
            async with database.connection() as connection:
                await states.load(connection, missing)
        if ahead:
            await self.refresh(commands, database, states)

    async def refresh(
        self, commands: Iterable[SubmittedCommand], database: Database, states: AggregateCache
    ) -> bool:
        """Reads what others wrote to the streams that these commands need. Returns whether they did."""
        if not self._across.refreshes():
            return False
        shared = self._across.shared
        needed = [self.needs_of(command) for command in commands]
        found = await self.look_ups.find(needed, database)
        found.update(stream for one in needed for stream in one.streams)
        streams = {one for one in found if one.partition("-")[0] in shared}
        if not streams:
            return False
        async with database.connection() as connection:
            await states.load(connection, streams)  # what is loaded by now may have been read before
            return await states.refresh(connection, streams)

    async def look_up_missing(
        self, commands: Iterable[SubmittedCommand], database: Database, states: AggregateCache
    ) -> None:
        """Loads the states that are missing, because others were decided again, and all decision models."""
        needed = [self.needs_of(command) for command in commands]
        streams = dict.fromkeys(stream for one in needed for stream in one.streams if stream not in states)
        missing = states.missing([*streams, *await self.look_ups.find(needed, database)])
        queries = list(dict.fromkeys(query for one in needed if one.sources for query in one.queries))
        if not (missing or queries):
            return
        async with database.connection() as connection:
            await states.load(connection, missing)
            await self.read(connection, queries)

    async def read(self, connection: Connection, queries: Sequence[QuerySource]) -> None:
        """Reads the decision models of these queries as the log is now."""
        if queries:
            assert self._across.tags is not None, "the domain has decision models"
            self._read = await self._models.load(connection, self._across.tags, queries)
            self._begin_folding()

    def _begin_folding(self) -> None:
        states = {query: model.state for query, model in self._read.items()}
        self._folded = Folded(self._domain, states)

    def reads_models(self, commands: Iterable[SubmittedCommand]) -> bool:
        """Whether one of these commands needs a decision model."""
        return self._across.tags is not None and any(self.needs_of(one).queries for one in commands)

    async def stands(self, database: Database) -> bool:
        """Asks Postgres who holds the unknown keys. Returns whether the decisions were right to take them.

        If not, all of them are undone: decide the batch again.
        """
        if not (self.unknown and self._holders.asks):
            return True
        async with database.connection() as connection:
            found = await holders_of(connection, self.unknown)
        self.unknown.clear()
        self._holders.asks = bool(found)
        if not found:
            return True
        self.undo()
        self._holders.update(found)
        return False

    def undo(self) -> None:
        """Takes back all decisions: states and holders are as before the batch."""
        self._states.update(self._states_before)
        for key, change in self._changes.items():
            self._holders[key] = change.before
        self._versions.clear()
        self._changes.clear()
        self._states_before.clear()
        self._begin_folding()
        self.unknown.clear()

    @property
    def changed(self) -> Iterable[str]:
        """The streams that the decisions have changed."""
        return self._states_before.keys()

    @property
    def touched(self) -> Iterable[str]:
        """The streams that the decisions have read or changed."""
        return {*self._versions, *self._states_before}

    def conditions(self, decisions: Iterable[Decision]) -> Conditions:
        """What must hold when these decisions are stored, and how the indexes move."""
        index, versions = self._across.tags, self._versions
        if not self._across.refreshes():  # the versions of the events say the same
            versions = {one: at for one, at in versions.items() if one not in self._states_before}
        if index is None:
            return Conditions(self._across.known, versions, self._changes)
        asked = {
            (index, value): model.position
            for query, model in self._read.items()
            for value in values_of(query)
        }
        stored = (event for one in decisions for event in _stored(one))
        tagged = [(index, tag, place) for place, event in enumerate(stored, 1) for tag in event.tags]
        return Conditions(self._across.known, versions, self._changes, asked, tagged)


def _stored(decision: Decision) -> tuple[NewEvent, ...]:
    """The events of a decision, in the order in which they are stored."""
    return decision.events if decision.rejection is None else (*decision.events, decision.rejection)
