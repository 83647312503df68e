"""Pages of lists that are ordered by a number: events, commands, and the versions of a row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from commander.domain.errors import InvalidRequest
from commander.resolvers.events import Answer, Page, page_size
from commander.resolvers.services import Services

T = TypeVar("T")
_LARGEST = 2**63 - 1

Read = Callable[[int, int | None, int, bool], Awaitable[list[T]]]
"""Reads items: numbers above the first and below the second, at most so many. True: the highest first."""


@dataclass(frozen=True)
class NumberWalk:
    """How a page is read: at most `size` items behind `after` and ahead of `before`, in the list's order.

    forward: from the beginning; otherwise from the end.
    """

    size: int
    after: int | None
    before: int | None
    forward: bool


def number_walk(
    services: Services, first: int | None, after: int | None, last: int | None, before: int | None
) -> NumberWalk:
    """The walk for the `first` items after `after`, or the `last` items before `before`. Both limit it.

    Raises InvalidRequest for a size above the limit, and if both sizes are given.
    """
    if first is not None and last is not None:
        raise InvalidRequest("last", "give first or last, not both")
    if last is None:
        return NumberWalk(page_size(services, first), after, before, forward=True)
    return NumberWalk(page_size(services, last, "last"), after, before, forward=False)


async def numbered_page(read: Read[T], walk: NumberWalk, *, newest_first: bool = False) -> Page[T]:
    """A page, in the order of the list. newest_first: the list begins with the highest number."""
    low, high = (walk.before, walk.after) if newest_first else (walk.after, walk.before)
    found = await read(low or 0, high, walk.size + 1, walk.forward is newest_first)
    kept, beyond = found[: walk.size], len(found) > walk.size

    def at_or_past(bound: int | None, *, upwards: bool) -> Answer:
        """Whether the list has the item with this number, or items past it."""

        async def answer() -> bool:
            assert bound is not None, "see below"
            if upwards:
                return bool(await read(max(bound - 1, 0), None, 1, False))
            return bool(await read(0, bound + 1 if bound < _LARGEST else None, 1, True))

        return False if bound is None or (bound == 0 and not upwards) else answer

    later = at_or_past(walk.before, upwards=not newest_first)
    earlier = at_or_past(walk.after, upwards=newest_first)
    if walk.forward:
        return Page(kept, more=beyond or later, earlier=earlier)
    return Page(kept[::-1], more=later, earlier=beyond or earlier)
