"""What subscriptions of the branch show while things happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

from tests.rights.asking import client
from tests.rights.story import Branch
from tests.rights.viewing import Viewing, comparable, in_order

WAIT_SECONDS = 120.0
Seen = list[Any]


class Watch:
    """One viewer's subscription by one transport. seen: what it has shown after its begin."""

    def __init__(self, branch: Branch, transport: str, viewer: str, field: str, **given: Any) -> None:
        self.transport = transport
        self.viewer = viewer
        self.field = field
        self._branch = branch
        self._given = given
        self._began = asyncio.Event()
        self._items: Seen = []
        self.reading: asyncio.Task[None] | None = None

    async def begin(self, stack: AsyncExitStack) -> None:
        """Returns when it shows what happens from now on."""
        own = await stack.enter_async_context(client(self._branch, self.transport, self.viewer))
        document = self._branch.documents.document("subscription", self.field, self._given, levels=1)
        self.reading = asyncio.create_task(self._read(own.answers(document, **self._given)))
        stack.callback(self.reading.cancel)
        await self.until(self._began.is_set)

    async def _read(self, answers: Any) -> None:
        async for answer in answers:
            assert "errors" not in answer, answer
            self._items.append(comparable(answer["data"][self.field]))
            self._began.set()

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not holds():
            assert self.reading is not None and not self.reading.done(), f"{self}: it has ended"
            assert time.monotonic() < deadline, f"{self} has shown {self.seen}"
            await asyncio.sleep(0.01)

    @property
    def seen(self) -> Seen:
        """Events; the changes of a list; the row, once for each time that it is another one."""
        if self.field == "events":
            return [item for item in self._items if "stream" in item]
        if self.field.endswith("s"):
            return [change for item in self._items for change in in_order(item["changes"])]
        return distinct(item["row"] for item in self._items)

    def __repr__(self) -> str:
        return f"{self.field} for {self.viewer} by {self.transport}"


def distinct(rows: Iterable[Any]) -> Seen:
    found: Seen = []
    for row in rows:
        if not found or found[-1] != row:
            found.append(row)
    return found


def shown(viewing: Viewing, field: str, key: str, seen: Seen) -> Seen:
    """What the viewer is shown where an operator is shown this. key: the name of the key of the rows."""
    if field == "events":
        return list(viewing.shown(seen))
    if not field.endswith("s"):
        return distinct(next(iter(viewing.shown([row])), None) for row in seen)
    found: Seen = []
    inside: set[str] = set()
    for change in seen:
        rows = viewing.shown([change["row"]])
        if rows:
            kind = "CHANGED" if change[key] in inside else "ENTERED"
            inside.add(change[key])
            found.append({**change, "kind": kind, "row": rows[0]})
        elif change[key] in inside:
            inside.remove(change[key])
            found.append({**change, "kind": "LEFT", "row": None})
    return found
