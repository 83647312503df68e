"""Which sessions share partitions, the code that each runs, and the partitions that a code has left.

A session is a member of a group while it holds the group's shared lock. So no clock decides who is in it.
A code that lacks the knowledge to go on in a partition leaves it to other code and notes it: a refusal. The
refusal is settled when other code has done what was in the way. It stays, because the next message of the
partition is likely to be of the same kind.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from commander.domain import DomainCode
from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock
from commander.eventstore.sql import statement

_REGISTER_CODE = statement("register_code")
_REGISTER_SESSION = statement("register_session")
_SHARING = statement("sharing")
_REFUSALS = statement("list_refusals")
_SESSIONS = statement("list_sessions")
_NEWER = statement("newer_codes")
_FORGET = statement("forget_code")


class CodeRuns(CommanderError):
    """A code cannot be forgotten while processes run with it: stop them first."""


class Refusal(NamedTuple):
    """A code has left a partition. command_id or position: at which command, or before which event.

    needs: what the code lacks, and what to do. settled: other code has done it since.
    """

    application: str
    partition: int
    fingerprint: str
    command_id: UUID | None
    position: int | None
    needs: str
    refused_at: datetime
    settled: bool


def undecided_before(refusal: Refusal) -> str:
    """Why a partition of COMMANDS waits, and what to do."""
    return (
        f"it waits before {refusal.needs}; no code that runs can decide it; start a processor of code that "
        f"can, or fail the command: commander processors fail {refusal.command_id} --reason TEXT"
    )


@dataclass(frozen=True)
class Sharing:
    """A group at one moment.

    members: the sessions and the fingerprints of their code; None if a session has not told it. owners: the
    session that owns each partition that is owned. standing_by: the members that leave all to the others, see
    ProcessorLeases; they own partitions only if no other one can.
    """

    partitions: int
    members: Mapping[int, str | None]
    owners: Mapping[int, int]
    refusals: Sequence[Refusal]
    standing_by: frozenset[int] = frozenset()

    def able(self, partition: int) -> frozenset[int]:
        """The members that can go on in this partition, without those that stand by unless only they can.

        A code with a refusal that is not settled cannot. One whose refusal is settled could, but is not asked
        while a member is there whose code has never refused the partition: it would soon refuse again.
        """
        refused = {r.fingerprint: r.settled for r in self.refusals if r.partition == partition}
        willing = frozenset(pid for pid, code in self.members.items() if code not in refused)
        may = frozenset(pid for pid, code in self.members.items() if refused.get(code or "", True))
        able = willing or may
        return able - self.standing_by or able

    def assigned(self) -> dict[int, int]:
        """The session that is to own each partition; a partition that no member can go on in is missing.

        Every member computes the same from the same sharing. Partitions that few can go on in are assigned
        first. Each set of members is loaded as evenly as possible, and an owner keeps what it may keep. So a
        result that has become true does not change.
        """
        groups: dict[frozenset[int], list[int]] = {}
        for partition in range(self.partitions):
            groups.setdefault(self.able(partition), []).append(partition)
        loads = dict.fromkeys(self.members, 0)
        assigned: dict[int, int] = {}
        for able, partitions in sorted(groups.items(), key=lambda group: (len(group[0]), group[1])):
            if not able:
                continue
            level = _level([loads[pid] for pid in able], len(partitions))
            free = []
            for partition in partitions:
                owner = self.owners.get(partition)
                if owner in able and loads[owner] < level:
                    assigned[partition] = owner
                    loads[owner] += 1
                else:
                    free.append(partition)
            for partition in free:
                pid = min(able, key=lambda pid: (loads[pid], pid))
                assigned[partition] = pid
                loads[pid] += 1
        return assigned

    def waiting(self) -> list[Refusal]:
        """The latest refusal of each partition that no member can go on in."""
        latest = {r.partition: r for r in self.refusals if not r.settled}
        return [refusal for partition, refusal in sorted(latest.items()) if not self.able(partition)]


def _level(loads: Sequence[int], count: int) -> int:
    """The lowest load up to which members with these loads have room for `count` partitions more."""
    level = max(1, min(loads))
    while sum(max(0, level - load) for load in loads) < count:
        level += 1
    return level


class Session(NamedTuple):
    """A session that shares partitions. pid: of the session in Postgres. process: on its host."""

    pid: int
    application: str
    fingerprint: str
    domain: str
    commands: Sequence[str]
    events: Mapping[str, int]
    aggregates: Sequence[str]
    host: str
    process: int
    started_at: datetime
    owned: int


async def register(connection: Connection, application: str, code: DomainCode) -> None:
    """Tells which code this session runs. Call it when the session holds the shared lock of its group."""
    with reaching_postgres(connection):
        async with connection.transaction():
            await register_code(connection, code)
            await connection.execute(
                _REGISTER_SESSION, application, code.fingerprint, socket.gethostname(), os.getpid()
            )


async def register_code(connection: Connection, code: DomainCode) -> None:
    """Stores what this code knows, once for each fingerprint."""
    with reaching_postgres(connection):
        await connection.execute(
            _REGISTER_CODE,
            code.fingerprint,
            code.domain,
            code.commands,
            msgspec.json.encode(code.events).decode(),
            code.aggregates,
            msgspec.json.encode(code.reactors).decode(),
            msgspec.json.encode(code.effects).decode(),
        )


async def read_sharing(
    connection: Connection, application: str, members: tuple[Lock, int], partition: Lock, keys: Sequence[int]
) -> Sharing:
    """The sharing of a group now. members: its shared lock, with its key. keys: of its partitions' locks."""
    unsigned = [key % 2**32 for key in keys]
    with reaching_postgres(connection):
        rows = await connection.fetch(
            _SHARING,
            int(members[0]),
            members[1] % 2**32,
            int(partition),
            unsigned,
            application,
            int(Lock.STANDING_BY),
        )
        refusals = await connection.fetch(_REFUSALS, application)
    partition_of = {key: number for number, key in enumerate(unsigned)}
    return Sharing(
        len(keys),
        {row["pid"]: row["fingerprint"] for row in rows if row["key"] is None and not row["stands_by"]},
        {partition_of[row["key"]]: row["pid"] for row in rows if row["key"] is not None},
        [Refusal(*row) for row in refusals],
        frozenset(row["pid"] for row in rows if row["stands_by"]),
    )


async def save_refusal(
    connection: Connection,
    application: str,
    partition: int,
    fingerprint: str,
    needs: str,
    *,
    command_id: UUID | None = None,
    position: int | None = None,
    stream_created: datetime | None = None,
) -> None:
    """Notes that this code leaves the partition. stream_created: of the stream with the command."""
    with reaching_postgres(connection):
        await connection.execute(
            """insert into refused_partitions
                   (application, partition, fingerprint, needs, command_id, position, stream_created)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (application, partition, fingerprint) do update
               set needs = excluded.needs, command_id = excluded.command_id, position = excluded.position,
                   stream_created = excluded.stream_created, refused_at = now()""",
            application,
            partition,
            fingerprint,
            needs,
            command_id,
            position,
            stream_created,
        )


async def forget_refusals(
    connection: Connection, application: str, fingerprint: str, partitions: Collection[int]
) -> None:
    """Deletes the refusals of this code: it has taken these partitions again."""
    with reaching_postgres(connection):
        await connection.execute(
            """delete from refused_partitions
               where application = $1 and fingerprint = $2 and partition = any($3::int[])""",
            application,
            fingerprint,
            list(partitions),
        )


async def forget_refusals_of_other_streams(connection: Connection, created: datetime) -> None:
    """Deletes the refusals of commands whose stream was replaced: those commands are gone."""
    with reaching_postgres(connection):
        await connection.execute("delete from refused_partitions where stream_created <> $1", created)


async def newer_codes(database: Database, code: DomainCode) -> list[DomainCode]:
    """The codes that were on this store for the first time after this code, oldest first."""
    decode = msgspec.json.decode
    return [
        DomainCode(
            row["domain"],
            row["fingerprint"],
            tuple(row["commands"]),
            decode(row["events"]),
            tuple(row["aggregates"]),
            {name: tuple(events) for name, events in decode(row["reactors"]).items()},
            {name: tuple(events) for name, events in decode(row["effects"]).items()},
        )
        for row in await database.fetch(_NEWER, code.fingerprint)
    ]


async def forget_code(database: Database, fingerprint: str) -> None:
    """Forgets a code that will not run again. Older code no longer leaves events to it.

    Raises CodeRuns if a processor or reactor with it runs, and NotFound.
    """
    if any(session.fingerprint == fingerprint for session in await sessions(database)):
        raise CodeRuns(f"processors or reactors with the code {fingerprint} run; stop them first")
    if not await database.fetchval(_FORGET, fingerprint):
        raise NotFound(f"no code {fingerprint} has run on this store")


async def refusals(database: Database) -> list[Refusal]:
    """All refusals, settled ones too, by application and partition."""
    return [Refusal(*row) for row in await database.fetch(_REFUSALS, None)]


async def sessions(database: Database) -> list[Session]:
    """The sessions that share partitions now, by application and start."""
    rows = await database.fetch(_SESSIONS)
    return [Session(**{**row, "events": msgspec.json.decode(row["events"])}) for row in rows]
