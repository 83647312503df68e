"""What decisions rest on beside the versions of their own events, held under the lock of the log.

A decision is made on what its processor knows, while others append. Two of them that each read what the other
writes could both be stored, though neither would be made after the other (write skew). So an append names
what its decisions have read. It is stored only if all of that is still so when it has the log's lock, and
nobody else can append until it is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from commander.eventstore.sql import array_text

Key = tuple[int, str]
"""A key of an index: the id of the index, and the text."""


class Change(NamedTuple):
    """Which stream has held a key, and which one holds it after the decisions. None: none does."""

    before: str | None
    after: str | None


class Conditions(NamedTuple):
    """What must hold when decisions are stored, and how they change the indexes of the log.

    known: the ids of the active indexes that this code keeps up; no other may be active. None: what is stored
    is in no index.
    streams: the version of each of these streams; 0: it has no events. keys: who must hold each key, and who
    holds it afterwards. tags: the position after which no event has this value.
    tagged: values of the events that are stored: the place of the event among them, from 1, by index.
    """

    known: Sequence[int] | None = ()
    streams: Mapping[str, int] = {}
    keys: Mapping[Key, Change] = {}
    tags: Mapping[Key, int] = {}
    tagged: Sequence[tuple[int, str, int]] = ()

    def binds(self) -> tuple[str | None, ...]:
        """The last binds of append.sql."""
        keys, tags, tagged = [*self.keys.items()], [*self.tags.items()], [*zip(*self.tagged, strict=True)]
        return (
            None if self.known is None else array_text([*self.known]),
            *_columns([[*self.streams], [*self.streams.values()]]),
            *_columns(
                [
                    [index for (index, _), _ in keys],
                    [key for (_, key), _ in keys],
                    [change.before for _, change in keys],
                    [change.after for _, change in keys],
                ]
            ),
            *_columns(
                [[index for (index, _), _ in tags], [value for (_, value), _ in tags], [at for _, at in tags]]
            ),
            *_columns(tagged or [(), (), ()]),
        )

    def split(self, events: int) -> tuple[Conditions, Conditions]:
        """The same for an append in two parts, of which the first has so many events.

        What must hold is asked once, before the first part. The streams hold what the first part gives them.
        """
        first = [one for one in self.tagged if one[2] <= events]
        rest = [(index, value, place - events) for index, value, place in self.tagged if place > events]
        return self._replace(tagged=first), Conditions(self.known, tagged=rest)


NOTHING = Conditions()
"""Of code without rules across streams."""

OUTSIDE = Conditions(None)
"""Of what appends no event of an aggregate."""


def _columns(columns: Sequence[Sequence[object]]) -> list[str | None]:
    return [array_text(column) if columns[0] else None for column in columns]
