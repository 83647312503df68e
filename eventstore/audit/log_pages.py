"""The log as audits fold it: in pages that are read once for several folds, and decoded once for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from contextlib import aclosing, contextmanager
from functools import cache
from typing import Any, NamedTuple

import msgspec

from commander.domain import Domain
from commander.domain.errors import Unavailable
from commander.domain.mutability import is_mutable
from commander.eventstore.audit.copying import copied
from commander.eventstore.database import Database

SELECT = """select position, stream, version, type, schema_version, data from events
             where position > {after} and position <= {up_to} order by position"""
_RANGE = 50_000


class LogEvent(msgspec.Struct, gc=False):
    """The part of an event that a fold reads."""

    position: int
    stream: str
    version: int
    type: str
    schema_version: int
    data: str
    _instance: Any = None

    def instance(self, domain: Domain) -> Any:
        """As `Domain.decode`, and raises what that raises. What cannot be changed is decoded once."""
        found = self._instance
        if found is None:
            found = domain.decode(self.type, self.schema_version, self.data, self.position)
            kind: Any = type(found)
            if _may_be_shared(kind):
                self._instance = found
        return found


@cache
def _may_be_shared(cls: Hashable) -> bool:
    return isinstance(cls, type) and not is_mutable(cls)


class LogPage(NamedTuple):
    """All events after the page before, up to and including a position."""

    events: list[LogEvent]
    up_to: int

    def cut(self, up_to: int) -> LogPage:
        """The part of the page up to a position."""
        return LogPage([event for event in self.events if event.position <= up_to], up_to)


Pages = Callable[[int], AsyncGenerator[LogPage, None]]
"""From the last position that is wanted to the pages of the log until there. Close them: `aclosing`."""


def log_pages(database: Database) -> Pages:
    """Pages that are read for one fold alone."""

    async def pages(up_to: int) -> AsyncGenerator[LogPage, None]:
        ranges = range(0, up_to, _RANGE)
        selects = (SELECT.format(after=after, up_to=min(after + _RANGE, up_to)) for after in ranges)
        async with aclosing(copied(database, selects, columns=6)) as read:
            async for position, stream, version, type_, schema_version, data in read:
                found = map(
                    LogEvent,
                    map(int, position),
                    stream,
                    map(int, version),
                    type_,
                    map(int, schema_version),
                    data,
                )
                page = list(found)
                yield LogPage(page, page[-1].position)
        yield LogPage([], up_to)  # the last events may be missing

    return pages


class SharedPages:
    """One reading of the log for several folds. The slowest sets the pace: each waits for it with one page.

    Use it in a task group. It begins once each seat has said how far it reads, or is given up.
    """

    def __init__(self, database: Database, seats: int) -> None:
        self._database = database
        self._undecided = seats
        self._seats: list[_Seat] = []
        self._decided = asyncio.Event()

    @contextmanager
    def seat(self) -> Iterator[Pages]:
        """The pages of one fold. It reads them once; when it does so again, it reads alone."""
        seat: _Seat | None = None

        async def pages(up_to: int) -> AsyncGenerator[LogPage, None]:
            nonlocal seat
            if seat is not None:
                async with aclosing(log_pages(self._database)(up_to)) as alone:
                    async for page in alone:
                        yield page
                return
            seat = _Seat(up_to)
            self._seats.append(seat)
            self._decide()
            try:
                position = 0
                while position < up_to:
                    given = await seat.pages.get()
                    if isinstance(given, Unavailable):
                        raise given
                    yield given if given.up_to <= up_to else given.cut(up_to)
                    position = given.up_to
            finally:
                seat.leave()

        try:
            yield pages
        finally:
            if seat is None:
                self._decide()
            else:
                seat.leave()

    def _decide(self) -> None:
        self._undecided -= 1
        if not self._undecided:
            self._decided.set()

    async def read(self) -> None:
        """Reads the log for all seats, until each has what it wants.

        A failure is raised where a page is taken.
        """
        await self._decided.wait()
        end = max((seat.up_to for seat in self._seats), default=0)
        try:
            async with aclosing(log_pages(self._database)(end)) as pages:
                async for page in pages:
                    for seat in self._seats:
                        await seat.give(page)
                    if all(seat.left for seat in self._seats):
                        return
        except Unavailable as error:
            for seat in self._seats:
                await seat.give(error)


class _Seat:
    """What a fold reads. left: it wants no more."""

    def __init__(self, up_to: int) -> None:
        self.up_to = up_to
        self.left = False
        self.pages: asyncio.Queue[LogPage | Unavailable] = asyncio.Queue(1)

    async def give(self, page: LogPage | Unavailable) -> None:
        if not self.left:
            await self.pages.put(page)
            self.left |= isinstance(page, Unavailable) or page.up_to >= self.up_to

    def leave(self) -> None:
        self.left = True
        while not self.pages.empty():
            self.pages.get_nowait()  # the page that is being given
