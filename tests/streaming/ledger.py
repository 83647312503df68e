"""A domain whose books are closed at night, in the versions that a test asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from commander import Domain

NIGHTLY, YEARLY = "0 0 * * *", "0 0 1 1 *"


def ledger(
    cron: str | None = NIGHTLY, books: Sequence[str] = ("sales", "stock"), name: str = "nightly"
) -> Domain:
    """cron: None for code without the recurring command. books: those that it closes. name: its name."""
    domain = Domain("ledger")

    @domain.command
    @dataclass(frozen=True)
    class CloseBooks:
        book: str
        at: datetime

    @domain.event
    @dataclass(frozen=True)
    class BooksClosed:
        book: str
        at: datetime

    @domain.aggregate(key="book")
    @dataclass(frozen=True)
    class Book:
        closings: int = 0

        def close(self, command: CloseBooks) -> BooksClosed:
            return BooksClosed(command.book, command.at)

        def closed(self, event: BooksClosed) -> "Book":
            return Book(self.closings + 1)

    if cron is not None:

        @domain.every(cron, name=name)
        def nightly(tick: datetime) -> list[CloseBooks]:
            return [CloseBooks(book, tick) for book in books]

    return domain
