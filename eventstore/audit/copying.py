"""Reads many rows as text, by COPY: no value is made into an object that nobody looks at.

Rows come in pages of about a mebibyte. The server makes the next page while one is worked on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable

from commander.eventstore.audit.reading import reading
from commander.eventstore.database import Database

PAGE_BYTES = 1024 * 1024
"""A page ends with the row that reaches it."""
_FORM = "set local datestyle to 'ISO'; set local timezone to 'UTC'"
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

Columns = list[list[str]]
"""The rows of a page: a list for each column. A null is the empty text."""


async def copied(database: Database, selects: Iterable[str], columns: int) -> AsyncGenerator[Columns, None]:
    """The rows of these statements, which have so many columns, in order. Raises Unavailable."""
    pages: asyncio.Queue[bytes | None] = asyncio.Queue(1)
    reader = asyncio.create_task(_read(database, selects, pages))
    try:
        while (page := await pages.get()) is not None:
            yield _columns(page.decode(), columns)
        await reader
    finally:
        reader.cancel()
        while not pages.empty():
            pages.get_nowait()  # the reader may be about to put one
        await asyncio.gather(reader, return_exceptions=True)


async def _read(database: Database, selects: Iterable[str], pages: asyncio.Queue[bytes | None]) -> None:
    """Puts the bytes of each page, and then None."""
    parts: list[bytes] = []
    size = 0

    async def take(data: bytes) -> None:
        nonlocal size
        parts.append(data)
        size += len(data)
        if size >= PAGE_BYTES:
            await put()

    async def put() -> None:
        nonlocal size
        read = b"".join(parts)
        end = read.rfind(b"\n") + 1  # a row may be cut
        parts[:] = [read[end:]] if end < len(read) else []
        size = 0 if end else len(read)
        if end:
            await pages.put(read[:end])

    try:
        async with reading(database) as connection:
            await connection.execute(_FORM)
            try:
                for select in selects:
                    await connection.copy_from_query(select, output=take, null="")
                    await put()
            except asyncio.CancelledError:
                connection.terminate()  # asyncpg cannot end a COPY and go on
                raise
    finally:
        await pages.put(None)


def _columns(text: str, columns: int) -> Columns:
    fields = text[:-1].replace("\n", "\t").split("\t")
    if "\\" in text:
        fields = [_ESCAPE.sub(_unescaped, one) if "\\" in one else one for one in fields]
    return [fields[n::columns] for n in range(columns)]


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[1])
