"""Builds the indexes of the log that a domain's rules across streams need, beside appends, before it decides.

The keys of a stream are those of its newest state. So each page of the log says which streams to look at.
When the rest of the log is short, it is read while the log is held, and the index becomes active.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from commander.domain import Domain, InvalidDecision
from commander.domain.unique import UniqueRule
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, lock_key, sole_holder
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.indexes import (
    activate,
    active_indexes,
    begin_index,
    duplicates,
    replace_keys,
)
from commander.eventstore.log.ranges import read_log
from commander.eventstore.projections.serving import hold_log
from commander.eventstore.records import EventFilter
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.basis import Across, shared_aggregates
from commander.streaming.newer_code import NotKnown

logger = logging.getLogger("commander.processor")

_PAGE = 1000
_NEVER = 2**62
_SHOWN = 5
"""How many duplicates are named."""


async def across_of(domain: Domain, database: Database, refreshes: Callable[[], bool]) -> Across | None:
    """The rules across streams of a domain, with their indexes, which are built if they are missing.

    refreshes: see Across. None if it has none. Raises NotKnown if history breaks a rule, or if other code has
    switched a rule on that this code does not have.
    """
    ids = {name: await _built(domain, database, rule) for name, rule in domain.unique_rules.items()}
    async with database.connection() as connection:
        active = await active_indexes(connection)
    for index in active:
        if index.id not in ids.values():
            drop = f"commander indexes drop {index.name!r}"
            raise NotKnown(f"other code has switched {index.name} on, which this code would break ({drop})")
    return _across(domain, ids, refreshes)


async def active_across(domain: Domain, database: Database) -> Across | None:
    """The same for who only looks: with the unique keys that are on already."""
    ids = dict[str, int]()
    if domain.unique_rules:
        async with database.connection() as connection:
            active = {(one.name, one.fingerprint): one.id for one in await active_indexes(connection)}
        for name, rule in domain.unique_rules.items():
            if (found := active.get((index_name(rule), domain.fingerprint_of_rule(rule)))) is not None:
                ids[name] = found
    return _across(domain, ids, lambda: True)


def _across(domain: Domain, ids: Mapping[str, int], refreshes: Callable[[], bool]) -> Across | None:
    """ids: of the indexes, by the stored names of the rules."""
    rules: dict[str, list[tuple[int, UniqueRule]]] = {}
    for name, index in ids.items():
        rule = domain.unique_rules[name]
        rules.setdefault(rule.aggregate, []).append((index, rule))
    shared = shared_aggregates(domain)
    return Across(shared, rules, refreshes) if rules or shared else None


def index_name(rule: UniqueRule) -> str:
    """The name of the index of a unique key."""
    return f"unique {rule.stored_name}"


async def _built(domain: Domain, database: Database, rule: UniqueRule) -> int:
    """The id of the active index of a rule. One process builds it; others wait."""
    name, fingerprint = index_name(rule), domain.fingerprint_of_rule(rule)
    async with sole_holder(database, Lock.LOG_INDEX, lock_key(name), "commander indexes") as connection:
        index = await begin_index(connection, name, fingerprint)
        if index.active:
            return index.id
        logger.info("building %s from position %d", name, index.position)
        keys = _Keys(domain, rule, index.id)
        position = index.position
        while (head := await head_position(database)) - position > _PAGE:
            position = await keys.add(database, connection, position, head)
        async with connection.transaction():
            head = await hold_log(connection)
            while position < head:
                position = await keys.add(database, connection, position, head)
            if found := await duplicates(connection, index.id, _SHOWN):
                shown = "; ".join(f"{one.key}: {', '.join(one.streams[:_SHOWN])}" for one in found)
                raise NotKnown(f"history breaks the unique key {rule.stored_name}: {shown}")
            await activate(connection, index)
        logger.info("%s is on", name)
        return index.id


class _Keys:
    """The keys of the streams of an aggregate, as they are now."""

    def __init__(self, domain: Domain, rule: UniqueRule, index: int) -> None:
        self._rule = rule
        self._index = index
        self._where = EventFilter(aggregates=domain.aggregate_names([rule.aggregate]))
        self._states = AggregateCache(domain, _PAGE * 10, _NEVER)

    async def add(self, database: Database, connection: Connection, after: int, head: int) -> int:
        """Stores the keys of the streams with events on the next page. Returns the end of the page."""
        events = await read_log(database, after, head, _PAGE, self._where)
        streams = dict.fromkeys(event.stream for event in events)
        await self._states.refresh(connection, streams)
        await self._states.load(connection, streams)
        position = events[-1].position if len(events) >= _PAGE else head
        await replace_keys(connection, self._index, {one: self._of(one) for one in streams}, position)
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
