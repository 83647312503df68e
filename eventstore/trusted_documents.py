"""The trusted documents, as Postgres has them: add, list, remove."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from commander.domain.errors import CommanderError
from commander.eventstore.database import Database, reaching_postgres


class TrustedDocument(NamedTuple):
    """A document. id: what a client sends in place of its text."""

    id: str
    text: str
    added_at: datetime


class State(NamedTuple):
    """It differs after each change."""

    documents: int
    newest: int


class IdTaken(CommanderError):
    """An id has another text already. Clients that use the id would get other answers."""

    def __init__(self, ids: Collection[str]) -> None:
        shown = ", ".join(sorted(ids)[:5])
        super().__init__(f"other documents are stored under the ids {shown}: remove these first")
        self.ids = ids


async def state_of(database: Database) -> State:
    """What has to be compared to find a change. Raises Unavailable."""
    found = await database.fetchrow("select count(*), coalesce(max(number), 0) from trusted_documents")
    assert found is not None, "a count has a row"
    return State(*found)


async def trusted_documents(database: Database) -> list[TrustedDocument]:
    """All documents, in the order in which they were added. Raises Unavailable."""
    rows = await database.fetch("select id, text, added_at from trusted_documents order by number")
    return [TrustedDocument(*row) for row in rows]


async def add_documents(database: Database, texts: Mapping[str, str]) -> int:
    """Adds all of these documents, by their ids, or none. Returns how many are new.

    Raises IdTaken, and Unavailable.
    """
    ids, given = list(texts), list(texts.values())
    async with database.connection() as connection:
        with reaching_postgres(connection):
            async with connection.transaction():
                added = await connection.fetch(
                    """insert into trusted_documents (id, text)
                       select * from unnest($1::text[], $2::text[])
                       on conflict (id) do nothing returning id""",
                    ids,
                    given,
                )
                others = await connection.fetch(
                    """select t.id from trusted_documents as t
                       join unnest($1::text[], $2::text[]) as given (id, text) on given.id = t.id
                       where given.text <> t.text""",
                    ids,
                    given,
                )
                if others:
                    raise IdTaken([row["id"] for row in others])
    return len(added)


async def remove_documents(database: Database, ids: Collection[str]) -> int:
    """Removes the documents with these ids. Returns how many there were. Raises Unavailable."""
    rows = await database.fetch("delete from trusted_documents where id = any($1) returning id", list(ids))
    return len(rows)
