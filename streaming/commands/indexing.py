"""Builds the indexes of the log that a domain's rules across streams need, beside appends, before it decides.

The keys of a stream are those of its newest state. So each page of the log says which streams to look at.
When the rest of the log is short, it is read while the log is held, and the index becomes active.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec

from commander.domain import Domain, InvalidDecision
from commander.domain.unique import UniqueRule
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock, lock_key, sole_holder
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.indexes import (
    IndexDropped,
    activate,
    active_indexes,
    add_tags,
    begin_index,
    duplicates,
    replace_keys,
)
from commander.eventstore.log.ranges import read_log
from commander.eventstore.projections.serving import hold_log
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.basis import Across
from commander.streaming.commands.kept_indexes import UNIQUE, give_up, must_be_free
from commander.streaming.commands.models import value_of
from commander.streaming.newer_code import NotKnown

logger = logging.getLogger("commander.processor")

_PAGE = 1000
_NEVER = 2**62
TAGS = "tags"
"""The name of the index of tags."""
_SHOWN = 5
"""How many duplicates are named."""


async def across_of(domain: Domain, database: Database, refreshes: Callable[[], bool]) -> Across | None:
    """The rules across streams of a domain, with their indexes, which are built if they are missing.

    refreshes: see Across. None if it has none. Raises NotKnown if history breaks a rule, or if other code has
    the indexes, see kept_indexes.py.
    """
    wanted = _wanted(domain)
    async with database.connection() as connection:
        active = await active_indexes(connection)
    for index in active:
        if index.name not in {one.name for one in wanted}:
            await give_up(domain, database, index)  # before others cannot append any more
    ids = {one.name: await _built(domain, one, database) for one in wanted}
    return _across(domain, ids, refreshes)


async def active_across(domain: Domain, database: Database) -> Across | None:
    """The same for who only looks: with the unique keys that are on already."""
    ids, wanted = dict[str, int](), _wanted(domain)
    if wanted:
        async with database.connection() as connection:
            active = {(one.name, one.fingerprint): one.id for one in await active_indexes(connection)}
        for index in wanted:
            if (found := active.get((index.name, index.fingerprint))) is not None:
                ids[index.name] = found
    return _across(domain, ids, lambda: True)


def _across(domain: Domain, ids: Mapping[str, int], refreshes: Callable[[], bool]) -> Across | None:
    """ids: of the indexes, by their names."""
    rules: dict[str, list[tuple[int, UniqueRule]]] = {}
    for rule in domain.unique_rules.values():
        if (index := ids.get(index_name(rule))) is not None:
            rules.setdefault(rule.aggregate, []).append((index, rule))
    if not (rules or domain.deciders):
        return None
    return Across(domain.shared, rules, refreshes, ids.get(TAGS))


def index_name(rule: UniqueRule) -> str:
    """The name of the index of a unique key."""
    return f"{UNIQUE}{rule.stored_name}"


async def _built(domain: Domain, wanted: _Wanted, database: Database) -> int:
    """The id of the active index. One process builds it; others wait. Raises NotKnown."""
    while True:
        try:
            return await _build(domain, wanted, database)
        except IndexDropped as error:
            logger.warning("%s: %s", wanted.name, error)


async def _build(domain: Domain, wanted: _Wanted, database: Database) -> int:
    name = wanted.name
    await must_be_free(domain, database, name, wanted.fingerprint)
    async with sole_holder(database, Lock.LOG_INDEX, lock_key(name), "commander indexes") as connection:
        index = await begin_index(connection, name, wanted.fingerprint)
        if index.active:
            return index.id
        logger.info("building %s from position %d", name, index.position)
        position = index.position
        while (head := await head_position(database)) - position > _PAGE:
            position = await wanted.add(database, connection, index.id, position, head)
        with reaching_postgres(connection):
            async with connection.transaction():
                head = await hold_log(connection)
                while position < head:
                    position = await wanted.add(database, connection, index.id, position, head)
                if found := await duplicates(connection, index.id, _SHOWN):
                    shown = "; ".join(f"{one.key}: {', '.join(one.streams[:_SHOWN])}" for one in found)
                    raise NotKnown(f"history breaks {name}: {shown}")
                await activate(connection, index)
        logger.info("%s is on", name)
        return index.id


class _Wanted(Protocol):
    """An index that the domain needs. fingerprint: of the code that derives it."""

    name: str
    fingerprint: str

    async def add(self, database: Database, connection: Connection, index: int, after: int, head: int) -> int:
        """Adds what the next page of the log says. Returns the end of the page."""


def _wanted(domain: Domain) -> list[_Wanted]:
    keys: list[_Wanted] = [_Keys(domain, rule) for rule in domain.unique_rules.values()]
    return [*keys, Tags(domain)] if domain.decision_models else keys


class _Keys:
    """The keys of the streams of an aggregate, as they are now."""

    def __init__(self, domain: Domain, rule: UniqueRule) -> None:
        self.name, self.fingerprint = index_name(rule), domain.fingerprint_of_rule(rule)
        self._rule = rule
        self._where = EventFilter(aggregates=domain.aggregate_names([rule.aggregate]))
        self._states = AggregateCache(domain, _PAGE * 10, _NEVER)

    async def add(self, database: Database, connection: Connection, index: int, after: int, head: int) -> int:
        events = await read_log(database, after, head, _PAGE, self._where)
        streams = dict.fromkeys(event.stream for event in events)
        await self._states.refresh(connection, streams)
        await self._states.load(connection, streams)
        position = _end_of(events, head)
        await replace_keys(connection, index, {one: self._of(one) for one in streams}, position)
        self._states.shrink()
        return position

    def _of(self, stream: str) -> Iterable[str]:
        state = self._states[stream]
        if state.unreadable is not None:
            logger.warning("%s has no keys: %s", stream, state.unreadable)
            return ()
        try:
            return self._rule.keys_of(state.state)
        except InvalidDecision as error:
            raise NotKnown(f"the state of {stream} has no key: {error}") from error


class Tags:
    """The tags of all events that have some."""

    name = TAGS

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        types = sorted(
            (one.stored_name, one.version, one.tagged) for one in domain.events.values() if one.tagged
        )
        self.fingerprint = sha256(msgspec.json.encode(types)).hexdigest()[:16]
        self.where = EventFilter(types=domain.event_names([name for name, _, _ in types]))

    async def add(self, database: Database, connection: Connection, index: int, after: int, head: int) -> int:
        events = await read_log(database, after, head, _PAGE, self.where)
        tags = [(value, event.position) for event in events for value in self.of(event)]
        position = _end_of(events, head)
        await add_tags(connection, index, tags, position)
        return position

    def of(self, event: RecordedEvent) -> Iterable[str]:
        """What the index has of an event."""
        instance = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        type_ = self._domain.event_of[type(instance)]
        return [value_of(type_.stored_name, tag) for tag in type_.tags_of(instance)]


def _end_of(events: Sequence[RecordedEvent], head: int) -> int:
    return events[-1].position if len(events) >= _PAGE else head
