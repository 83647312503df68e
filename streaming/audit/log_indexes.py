"""The indexes of the log: unique keys are those of the states, and tags those of the events.

Only active indexes of this code are compared. Each page is read at one moment, with what it is compared with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable

from commander.domain import InvalidDecision
from commander.domain.unique import UniqueRule
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.reading import reading
from commander.eventstore.database import Connection
from commander.eventstore.log.indexes import LogIndex, active_indexes
from commander.eventstore.log.ranges import read_log
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.indexing import Tags, index_name

_PAGE = 1000
_MOST = 100
_NEVER = 2**62
_STREAMS = """select stream from (
        (select stream from events
         where version = 1 and stream > $3 and split_part(stream, '-', 1) = any($1)
         order by stream limit $4)
        union
        (select distinct stream from unique_keys where index_id = $2 and stream > $3 order by stream limit $4)
    ) as streams order by stream limit $4"""
_KEYS = "select stream, key from unique_keys where index_id = $1 and stream = any($2)"
_TAGS = "select value, position from event_tags where index_id = $1 and position > $2 and position <= $3"


async def _unique_keys(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    active = await _active(audit)
    found = 0
    for rule in audit.domain.unique_rules.values():
        index = active.get((index_name(rule), audit.domain.fingerprint_of_rule(rule)))
        after: str | None = ""
        while index is not None and after is not None and found < _MOST:
            async with reading(audit.database, "repeatable_read") as connection:
                findings, after = await _compared(audit, connection, rule, index, after)
            found += len(findings)
            for finding in findings:
                yield finding


async def _compared(
    audit: Audit, connection: Connection, rule: UniqueRule, index: LogIndex, after: str
) -> tuple[list[Finding], str | None]:
    """What is wrong with the keys of a page of streams, and the last of them; None if there are no more."""
    names = list(audit.domain.aggregate_names([rule.aggregate]))
    rows = await connection.fetch(_STREAMS, names, index.id, after, _PAGE)
    streams = [row["stream"] for row in rows]
    states = AggregateCache(audit.domain, _PAGE, _NEVER)
    await states.load(connection, streams)
    held = defaultdict[str, set[str]](set)
    for row in await connection.fetch(_KEYS, index.id, streams):
        held[row["stream"]].add(row["key"])
    findings = []
    for stream in streams:
        if states[stream].unreadable is not None:
            continue  # other checks say why
        try:
            wanted = rule.keys_of(states[stream].state)
        except InvalidDecision as error:
            findings.append(_finding(index, f"the state of {stream} has no key: {error}"))
            continue
        if held[stream] != wanted:
            what = f"{stream} holds {_shown(held[stream])}, and its state has {_shown(wanted)}"
            findings.append(_finding(index, what))
    return findings, streams[-1] if len(streams) == _PAGE else None


def _shown(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "no key"


async def _tags(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    if not audit.domain.decision_models:
        return
    tags = Tags(audit.domain)
    index = (await _active(audit)).get((tags.name, tags.fingerprint))
    if index is None:
        return
    found = 0
    for after in range(0, audit.position, _PAGE):
        up_to = min(after + _PAGE, audit.position)
        events = await read_log(audit.database, after, up_to, _PAGE, tags.where)
        wanted = {(value, event.position) for event in events for value in tags.of(event)}
        async with reading(audit.database) as connection:
            rows = await connection.fetch(_TAGS, index.id, after, up_to)
        for value, position in sorted(wanted ^ {(row["value"], row["position"]) for row in rows}):
            has = "misses" if (value, position) in wanted else "has"
            yield _finding(index, f"it {has} {value} of the event at position {position}")
            found += 1
        if found >= _MOST:
            return
        show(up_to, audit.position)


async def _active(audit: Audit) -> dict[tuple[str, str], LogIndex]:
    async with reading(audit.database) as connection:
        return {(one.name, one.fingerprint): one for one in await active_indexes(connection)}


def _finding(index: LogIndex, what: str) -> Finding:
    return Finding(Kind.INDEX_DIFFERS, index.name, what, Repair(Mend.INDEX, index.name))


UNIQUE_KEYS = Check("unique keys are those of the states", _unique_keys)
TAGS = Check("tags are those of the events", _tags)
