"""Pending commands that Postgres has too, so that they can be sent again if NATS loses the stream COMMANDS.

Reactors store what they send in the transaction of their checkpoint: an event that a reactor has handled, and
whose commands have no outcome, is known. So are the commands of ticks, and those of clients if the system
keeps them. The deadlines of reactors are not here: the states have them.

A row names the stream that the command was sent to by the time of its creation, read before the command was
sent. So a row can name an older stream than the one that has the command, and never a newer one. Sending
again is harmless, because the command's id finds the first outcome.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.records import SubmittedCommand
from commander.eventstore.sql import array_text, statement

_REMEMBER = statement("remember_commands")
_FORGET_DECIDED = statement("forget_decided")
_LOST = statement("lost_commands")
_UNDECIDED = statement("undecided_commands")
_REACTIONS = statement("undecided_reactions")
_PAGE = 500
_SWEPT = 2000
"""How many commands are looked at in one statement, so that it takes a few milliseconds."""
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SubmittedCommand)


class Sent(NamedTuple):
    """Commands that were sent to the stream COMMANDS that was created at this time."""

    stream_created: datetime
    commands: Sequence[SubmittedCommand]


class LostPage(NamedTuple):
    """Commands that were sent to another stream. rows: those of the undecided. decided: the other rows.

    A row is its place in the table, and the id of its command.
    """

    undecided: list[SubmittedCommand]
    rows: list[tuple[str, UUID]]
    decided: list[tuple[str, UUID]]


class LostStream(NamedTuple):
    """A stream COMMANDS in whose place another one was found.

    messages: how many it had at the last look, at seen_at. sent_again: how many commands of it were sent to
    the one that came after it.
    """

    created: datetime
    messages: int
    seen_at: datetime
    lost_at: datetime
    sent_again: int


class UndecidedReactions(NamedTuple):
    """How many commands of a reactor have no outcome, and how many of them are missing in COMMANDS."""

    undecided: int
    missing: int


def remembered_columns(sent: Sent | None) -> tuple[str, str, str, datetime | None]:
    """The columns of commands as binds, see remember_commands.sql. Deadlines are left out."""
    kept = [] if sent is None else [command for command in sent.commands if command.deadline is None]
    return (
        array_text([command.command_id for command in kept]),
        array_text([command.not_before or command.submitted_at for command in kept]),
        "\x1f".join([_encoder.encode(command).decode() for command in kept]),
        None if sent is None else sent.stream_created,
    )


async def remember(connection: Connection, sent: Sent) -> None:
    """Stores commands until they have an outcome. Deadlines are left out. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(_REMEMBER, *remembered_columns(sent))


@dataclass(frozen=True)
class Keep:
    """Stores commands of clients, durably, before their receipt."""

    database: Database

    def must_write(self) -> None:
        """Raises Unavailable at once while Postgres cannot store."""
        self.database.circuit.must_write()

    async def __call__(self, sent: Sent) -> None:
        """Stores commands until they have an outcome. Raises Unavailable."""
        async with self.database.connection() as connection:
            await remember(connection, sent)


async def forget(connection: Connection, command_ids: Collection[UUID]) -> None:
    """Deletes commands that were taken back. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(
            "delete from pending_commands where command_id = any($1::uuid[])", list(command_ids)
        )


async def forget_decided(connection: Connection, stream_created: datetime, due_from: datetime) -> datetime:
    """Deletes commands of this stream that have an outcome and were due from a time on. Raises Unavailable.

    It begins with the oldest and ends when none of many has an outcome, so a long queue costs it little.
    Returns the time from which on commands are left. So the next call need not pass by deleted rows, which
    stay in the table as long as somebody reads an old snapshot.
    """
    while True:
        with reaching_postgres(connection):
            row = await connection.fetchrow(_FORGET_DECIDED, stream_created, _SWEPT, due_from)
        assert row is not None, "an aggregate has a row"
        due_from = row["left_due"] or row["last_due"] or due_from
        if row["seen"] < _SWEPT:
            return row["left_due"] or datetime.now(UTC)
        if not row["forgotten"]:
            return due_from


async def lost_commands(connection: Connection, stream_created: datetime) -> LostPage:
    """The oldest commands that were sent to other streams than this one, a page. Raises Unavailable."""
    with reaching_postgres(connection):
        rows = await connection.fetch(_LOST, stream_created, _PAGE)
    open_rows = [row for row in rows if not row["decided"]]
    return LostPage(
        [_decoder.decode(row["command"]) for row in open_rows],
        [(row["row"], row["command_id"]) for row in open_rows],
        [(row["row"], row["command_id"]) for row in rows if row["decided"]],
    )


async def sent_lost(connection: Connection, page: LostPage, stream_created: datetime) -> None:
    """The undecided commands of the page were sent to this stream. The others are deleted.

    Raises Unavailable.
    """
    these = "ctid = any($1::text[]::tid[]) and command_id = any($2::uuid[])"
    with reaching_postgres(connection):
        places, ids = [row[0] for row in page.rows], [row[1] for row in page.rows]
        await connection.execute(
            f"update pending_commands set stream_created = $3 where {these}", places, ids, stream_created
        )
        places, ids = [row[0] for row in page.decided], [row[1] for row in page.decided]
        await connection.execute(f"delete from pending_commands where {these}", places, ids)


async def undecided_commands(
    database: Database, reactor: str | None = None
) -> AsyncIterator[list[SubmittedCommand]]:
    """The stored commands that have no outcome, page by page, in the order in which they were sent.

    reactor: only its commands. Raises Unavailable.
    """
    after: tuple[Any, ...] = (datetime.min.replace(tzinfo=UTC),) * 2 + (UUID(int=0),)
    while True:
        rows = await database.fetch(_UNDECIDED, *after, _PAGE, reactor)
        found = [_decoder.decode(row["command"]) for row in rows if row["command"] is not None]
        if found:
            yield found
        if len(rows) < _PAGE:
            return
        after = rows[-1]["stream_created"], rows[-1]["due"], rows[-1]["command_id"]


async def remembered(database: Database, command_id: UUID) -> SubmittedCommand | None:
    """The stored command with this id; None if there is none. It may have an outcome. Raises Unavailable."""
    found = await database.fetchval(
        "select command from pending_commands where command_id = $1 limit 1", command_id
    )
    return None if found is None else _decoder.decode(found)


async def pending_among(database: Database, command_ids: Collection[UUID]) -> set[UUID]:
    """Those of these commands that are stored. They may have an outcome. Raises Unavailable."""
    rows = await database.fetch(
        "select command_id from pending_commands where command_id = any($1::uuid[])", list(command_ids)
    )
    return {row["command_id"] for row in rows}


async def undecided_reactions(
    database: Database, stream_created: datetime | None
) -> dict[str, UndecidedReactions]:
    """The undecided commands of each reactor that has some.

    stream_created: of the stream COMMANDS that there is; None: no command counts as missing.
    """
    rows = await database.fetch(_REACTIONS, stream_created)
    return {reactor: UndecidedReactions(*counts) for reactor, *counts in rows}


async def saw_stream(connection: Connection, created: datetime, messages: int) -> list[LostStream]:
    """Stores what was seen of COMMANDS. Returns the streams in whose place it is. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(
            """insert into command_streams (created, messages, seen_at) values ($1, $2, now())
               on conflict (created) do update
               set messages = excluded.messages, seen_at = excluded.seen_at, lost_at = null""",
            created,
            messages,
        )
        rows = await connection.fetch(
            """update command_streams set lost_at = now() where created <> $1 and lost_at is null
               returning created, messages, seen_at, lost_at, sent_again""",
            created,
        )
    return [LostStream(*row) for row in rows]


async def count_sent_again(connection: Connection, stream_created: datetime, count: int) -> None:
    """Adds to the number of commands that were sent again of the streams lost before this one."""
    with reaching_postgres(connection):
        await connection.execute(
            """update command_streams set sent_again = sent_again + $2
               where created = (
                   select created from command_streams where created <> $1 and lost_at is not null
                   order by lost_at desc, created desc limit 1
               )""",
            stream_created,
            count,
        )


async def lost_streams(database: Database) -> list[LostStream]:
    """The streams COMMANDS that were lost, oldest first."""
    rows = await database.fetch(
        """select created, messages, seen_at, lost_at, sent_again from command_streams
           where lost_at is not null order by lost_at, created"""
    )
    return [LostStream(*row) for row in rows]
