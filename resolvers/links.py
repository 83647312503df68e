"""Reading along links: rows of another projection, by their keys or by what they refer to.

Whatever shows a row of another projection than the one that was asked for reads it here, in one statement for
all rows of a level: links and their lists, filters that follow a link, rows by their ids, and the rows that a
command has changed. So what holds for each row of a projection, whoever leads to it, belongs here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from commander.domain.filters import Filter, Linked
from commander.domain.links import Link
from commander.eventstore.projections.folding import rows_by_keys
from commander.eventstore.projections.queries import RowPage, counts_of, pages_of
from commander.resolvers.answer_size import AnswerSize
from commander.resolvers.services import Services

D = TypeVar("D", bound=Hashable)


@dataclass(frozen=True)
class Referring:
    """The rows that refer to the row with this key by a link."""

    link: Link
    key: Any


def leading_to(link: Link, part: Filter) -> Filter:
    """True for a row whose link leads to a row that matches."""
    return Linked(link.field, link.target.name, link.target.key_field, part)


async def rows_of(services: Services, projection: str, keys: Iterable[Any]) -> dict[Any, Any]:
    """The rows with these keys, by key. projection: its stored name."""
    return await rows_by_keys(services.database, services.tables[projection], list(keys))


async def pages_of_links(
    services: Services, asked: Iterable[tuple[Referring, RowPage]], size: AnswerSize
) -> dict[tuple[Referring, RowPage], list[Any]]:
    """The pages. Those that differ in the row alone are read in one statement.

    A page has up to one row more than the answer shows. Raises AnswerTooLarge if the pages exceed the rest of
    the answer.
    """
    found: dict[tuple[Referring, RowPage], list[Any]] = {}
    for (link, page), keys in _alike(asked).items():
        table, most = services.tables[link.source.name], size.room + len(keys) + 1
        pages = await pages_of(services.database, table, link.field, keys, page, most, services.tables)
        size.allow(sum(max(0, len(rows) - 1) for rows in pages.values()))
        found |= {(Referring(link, key), page): rows for key, rows in pages.items()}
    return found


async def counts_of_links(
    services: Services, asked: Iterable[tuple[Referring, Filter]]
) -> dict[tuple[Referring, Filter], int]:
    """How many of the rows that refer to each row match.

    Those that differ in the row alone are counted in one statement.
    """
    found: dict[tuple[Referring, Filter], int] = {}
    for (link, where), keys in _alike(asked).items():
        table = services.tables[link.source.name]
        counts = await counts_of(services.database, table, link.field, keys, where, services.tables)
        found |= {(Referring(link, key), where): count for key, count in counts.items()}
    return found


def _alike(asked: Iterable[tuple[Referring, D]]) -> dict[tuple[Link, D], list[Any]]:
    """The keys of those that have all but the key in common."""
    groups: dict[tuple[Link, D], list[Any]] = {}
    for referring, detail in asked:
        groups.setdefault((referring.link, detail), []).append(referring.key)
    return groups
