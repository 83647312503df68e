"""The data of commands against their digests.

A digest is over what was sent (commander/domain/digests.py). What is stored has the defaults of what was not
sent, so a digest fits if it is that of the stored data without some of the fields that may be absent. A hook
may have changed the data: with hooks in the domain, a digest that does not fit proves nothing, and is left
out. Data that this code cannot decode is left out too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from itertools import combinations

from commander.domain import CommandType, Domain
from commander.domain.digests import input_of, is_of_stored, stored_digest
from commander.domain.fields import FieldType, ListType, RecordType
from commander.eventstore.audit.copying import copied
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Show

_SELECT = """select type, data, encode(digest, 'hex'), command_id, number from commands
             where number > {after} and number <= {up_to} order by number"""
_RANGE = 50_000
_MOST = 100
_MOST_ABSENT = 8
"""The most fields that may be absent. Of more, all or none are tried."""


async def _digests(audit: Audit, show: Show) -> AsyncIterator[Finding]:
    found = 0
    ranges = range(0, audit.commands, _RANGE)
    selects = (_SELECT.format(after=after, up_to=min(after + _RANGE, audit.commands)) for after in ranges)
    async with aclosing(copied(audit.database, selects, columns=5)) as pages:
        async for columns in pages:
            for type_, data, digest, command_id, number in zip(*columns, strict=True):
                if not fits(audit.domain, type_, data, bytes.fromhex(digest)):
                    found += 1
                    what = f"the data or the digest of the {type_} was changed; what was sent is lost"
                    yield Finding(Kind.DIGEST, f"number {number}, the command {command_id}", what)
            if found >= _MOST:
                return
            show(int(columns[4][-1]), audit.commands)


def fits(domain: Domain, type_name: str, data: str, digest: bytes) -> bool:
    """Whether this may be the digest of a command with this data. True if it cannot be told."""
    type_ = domain.command_type(type_name)
    if is_of_stored(digest):
        return stored_digest(type_name, data.encode()) == digest or bool(domain.submit_hooks.all)
    if type_ is None:
        return True
    try:
        command = type_.decode(data)
        if type_.digest(command) == digest:
            return True
    except Exception:  # a __post_init__ may raise anything; other code may have made it
        return True
    return bool(domain.submit_hooks.all) or _fits_otherwise(type_, command, digest)


def _fits_otherwise(type_: CommandType, command: object, digest: bytes) -> bool:
    """Whether it is the digest of the command with other fields absent than those that have their default."""
    if any(_has_defaults(field.type) for field in type_.fields):
        return True  # a part of a value may be absent too
    whole = input_of(tuple(replace(field, default=None) for field in type_.fields), command)
    may_be_absent = [f.graphql_name for f in type_.fields if f.default is not None or f.generated]
    return any(
        type_.digest(command, {name: value for name, value in whole.items() if name not in absent}) == digest
        for absent in _choices(may_be_absent)
    )


def _has_defaults(type_: FieldType) -> bool:
    """Whether a value of this type has parts that may be absent."""
    match type_:
        case RecordType(_, fields):
            return any(field.default is not None or _has_defaults(field.type) for field in fields)
        case ListType(_, item):
            return _has_defaults(item)
    return False


def _choices(names: list[str]) -> Iterator[tuple[str, ...]]:
    if len(names) > _MOST_ABSENT:
        yield from ((), tuple(names))
        return
    for count in range(len(names) + 1):
        yield from combinations(names, count)


DIGESTS = Check("the data of each command fits its digest", _digests)
