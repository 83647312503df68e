"""Deadlines of states and ticks of recurring commands: each is scheduled or queued, or has an outcome.

A reactor submits a deadline before it stores the state, and takes one back before it stores that too. So what
seems to be missing is looked at again a moment later. The deadlines of parked keys wait unscheduled, and so
do those of states that are being rebuilt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock, held_keys
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.reactions.cancelled import cancelled_deadlines
from commander.eventstore.reactions.recurring import set_ticks
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.messages import all_scheduled, commands_in, scheduled_subject
from commander.streaming.commands.pending_by_id import pending_alone
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import last_messages, next_messages

_PAGE = 200
_BYTES = 8 * 1024 * 1024
_MOST = 100
_AGAIN_SECONDS = 1.0
_REPAIR = Repair(Mend.DEADLINES)
_DEADLINES = """
select s.reactor, s.key, s.deadlines from reactor_states as s
where (s.reactor, s.key) > ($1, $2) and s.deadlines::text <> '[]'
  and not exists (select from reactor_failures as f where f.reactor = s.reactor and f.key = s.key)
  and not exists (select from reactor_partitions as p
                  where p.reactor = s.reactor and p.folded_position < p.position)
order by s.reactor, s.key limit $3"""
_commands = msgspec.json.Decoder(tuple[SubmittedCommand, ...])


class Awaited(NamedTuple):
    """A command that must come. owner: what waits for it. key: of the state; None for a tick."""

    command: SubmittedCommand
    owner: str
    key: str | None


def schedules_checks(nats: Nats) -> list[Check]:
    """The checks on this connection."""

    async def missing(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        found = 0
        async for page in awaited(audit.database):
            if not (lost := await _lost(nats, audit.database, page)):
                continue
            if await _parts_run(audit.database):
                await asyncio.sleep(_AGAIN_SECONDS)
            still = await _still_awaited(audit.database, await _lost(nats, audit.database, lost))
            for one in still:
                yield _missing(one)
                found += 1
            if found >= _MOST:
                return

    async def orphaned(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        found = 0
        async for command in orphans(nats, audit.database):
            key = command.deadline[0] if command.deadline is not None else ""
            scheduled = f"the {command.type} {command.command_id} is scheduled"
            what = f"{scheduled}, and no state has it: it will be rejected"
            yield Finding(Kind.DEADLINE_ORPHANED, f"the key {key} of {command.reactor}", what, _REPAIR)
            found += 1
            if found >= _MOST:
                return

    return [
        Check("each deadline and each tick is scheduled", missing),
        Check("each scheduled deadline is that of a state", orphaned),
    ]


async def awaited(database: Database) -> AsyncIterator[list[Awaited]]:
    """The deadlines of all states, and the commands of all ticks, in pages."""
    async with database.connection() as connection:
        ticks = await set_ticks(connection)
    for tick in ticks.values():
        yield [Awaited(command, tick.name, None) for command in tick.commands]
    after = "", ""
    while rows := await database.fetch(_DEADLINES, *after, _PAGE):
        after = rows[-1]["reactor"], rows[-1]["key"]
        yield [
            Awaited(command, reactor, key)
            for reactor, key, deadlines in rows
            for command in _deadlines_in(deadlines)
        ]


def _deadlines_in(document: str) -> tuple[SubmittedCommand, ...]:
    """The deadlines of a state; none if they cannot be decoded: then its state differs from the fold."""
    try:
        return _commands.decode(document)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ()


async def orphans(nats: Nats, database: Database) -> AsyncIterator[SubmittedCommand]:
    """The scheduled deadlines that their reactor has cancelled."""
    last, left = 0, 1
    while left:
        stream, subject = nats.names.commands, all_scheduled(nats.names)
        page = await next_messages(nats, stream, subject, last + 1, _PAGE, _BYTES)
        if not page.messages:
            return
        last, left = page.messages[-1].sequence, page.left
        commands = [one for message in page.messages for one in _read(message.subject, message.data)]
        deadlines = [one for one in commands if one.deadline is not None]
        if not deadlines:
            continue
        async with database.connection() as connection:
            cancelled = await cancelled_deadlines(connection, deadlines)
        for command in deadlines:
            if command.command_id in cancelled:
                yield command


def _read(subject: str, data: bytes) -> list[SubmittedCommand]:
    try:
        return commands_in(subject, data)
    except msgspec.DecodeError:
        return []


async def _lost(nats: Nats, database: Database, page: Sequence[Awaited]) -> list[Awaited]:
    """Those that are neither scheduled nor queued nor decided, in this order: that of a command's way."""
    scheduled: set[UUID] = set()
    for begin in range(0, len(page), _PAGE):
        commands = [one.command for one in page[begin : begin + _PAGE]]
        subjects = [scheduled_subject(nats.names, one.command_id, one.correlation_id) for one in commands]
        async for found in last_messages(nats, nats.names.commands, subjects, _BYTES):
            for message in found.messages:
                scheduled |= {one.command_id for one in _read(message.subject, message.data)}
    left = [one for one in page if one.command.command_id not in scheduled]
    left = await undecided(database, left)
    left = [one for one in left if await pending_alone(nats, one.command.command_id) is None]
    return await undecided(database, left)


async def undecided(database: Database, page: Sequence[Awaited]) -> list[Awaited]:
    """Those whose command has no outcome. Raises Unavailable."""
    if not page:
        return []
    async with database.connection() as connection:
        known = await known_outcomes(connection, [one.command.command_id for one in page])
    return [one for one in page if one.command.command_id not in known]


async def _parts_run(database: Database) -> bool:
    """Whether a process runs that may be between two steps."""
    return bool(await held_keys(database, Lock.REACTORS) or await held_keys(database, Lock.RECURRING))


async def _still_awaited(database: Database, page: Sequence[Awaited]) -> list[Awaited]:
    """Those that their state or their tick still has."""
    if not page:
        return []
    async with database.connection() as connection:
        ticks = {c.command_id for tick in (await set_ticks(connection)).values() for c in tick.commands}
        states = await _ids_of_states(connection, page)
    return [one for one in page if one.command.command_id in (ticks if one.key is None else states)]


async def _ids_of_states(connection: Connection, page: Sequence[Awaited]) -> set[UUID]:
    keyed = [one for one in page if one.key is not None]
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select deadlines from reactor_states
               where (reactor, key) in (select * from unnest($1::text[], $2::text[]))""",
            [one.owner for one in keyed],
            [one.key for one in keyed],
        )
    return {command.command_id for row in rows for command in _deadlines_in(row["deadlines"])}


def _missing(one: Awaited) -> Finding:
    command = one.command
    due = f"the {command.type} {command.command_id}, due at {command.not_before}"
    what = f"{due}, is not scheduled and has no outcome"
    if one.key is None:
        return Finding(Kind.TICK_MISSING, one.owner, what, _REPAIR)
    return Finding(Kind.DEADLINE_MISSING, f"the key {one.key} of {one.owner}", what, _REPAIR)
