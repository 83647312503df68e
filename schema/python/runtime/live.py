"""Rows that are kept right: a snapshot, then changes; resumed behind a cursor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from commander.schema.python.runtime.codec import Decode
from commander.schema.python.runtime.resuming import subscribed
from commander.schema.python.runtime.transport import Transport
from commander.schema.python.runtime.waiting import Closing, Patience

Key = TypeVar("Key")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why rows do not move with the log, and since when."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class LiveRow(Generic[Row]):
    """A row as it is at a position of the log. row: None if there is no such row."""

    row: Row | None
    position: int
    stands_still: Standstill | None


@dataclass(frozen=True, slots=True)
class LiveRows(Generic[Key, Row]):
    """All rows that match, as they are at a position of the log, by their keys, in no order.

    changes: the rows that this item changed, with None for one that has left. snapshot: they are all rows;
    what was shown before may have left unseen.
    """

    rows: Mapping[Key, Row]
    changes: Mapping[Key, Row | None]
    snapshot: bool
    position: int
    stands_still: Standstill | None


@dataclass(frozen=True)
class Following:
    """What a subscription to rows needs. at_least: the position that the first item must show."""

    transport: Transport
    document: str
    given: Mapping[str, Any]
    at_least: Callable[[], int | None]
    patience: Patience
    closing: Closing

    async def items(self) -> AsyncGenerator[dict[str, Any], None]:
        """The items as JSON."""
        cursor: str | None = None

        def request() -> dict[str, Any]:
            at_least = None if cursor else self.at_least()
            begin = {"after": cursor, "atLeast": None if at_least is None else str(at_least)}
            return {"query": self.document, "variables": {**self.given, **begin}}

        async with aclosing(subscribed(self.transport, request, self.patience, self.closing)) as answers:
            async for data in answers:
                [item] = data.values()
                cursor = item["cursor"]
                yield item


async def live_row(following: Following, decode_row: Decode) -> AsyncGenerator[LiveRow[Any], None]:
    """The row: first as it is, then whenever an item comes."""
    async with aclosing(following.items()) as items:
        async for item in items:
            yield LiveRow(decode_row(item["row"]), int(item["position"]), _standstill(item))


async def live_rows(
    following: Following, key: str, decode_key: Decode, decode_row: Decode
) -> AsyncGenerator[LiveRows[Any, Any], None]:
    """The rows: first all of them, then whenever an item comes. key: the field of a change with its key."""
    rows: dict[Any, Any] = {}
    async with aclosing(following.items()) as items:
        async for item in items:
            changes = {decode_key(one[key]): decode_row(one["row"]) for one in item["changes"]}
            if changes or item["snapshot"]:
                rows = {} if item["snapshot"] else dict(rows)
            for changed, row in changes.items():
                if row is None:
                    rows.pop(changed, None)
                else:
                    rows[changed] = row
            yield LiveRows(rows, changes, item["snapshot"], int(item["position"]), _standstill(item))


def _standstill(item: Mapping[str, Any]) -> Standstill | None:
    given = item["standsStill"]
    return None if given is None else Standstill(datetime.fromisoformat(given["since"]), given["reason"])
