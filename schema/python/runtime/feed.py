"""The feed: history, CaughtUp, then what happens. Each event once, across breaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from commander.schema.python.runtime.codec import Decode
from commander.schema.python.runtime.errors import Cursor, UnknownType
from commander.schema.python.runtime.resuming import subscribed
from commander.schema.python.runtime.transport import Transport
from commander.schema.python.runtime.waiting import Closing, Patience

Item = TypeVar("Item")


class Feed(Generic[Item]):
    """An async iterator over the items. It ends when the client is closed.

    Iterating raises CursorLost if the log was set back, and RequestRefused. A second loop goes on where the
    first was left. `aclose` ends the connection, and so does the end of the last reference.
    """

    def __init__(
        self,
        transport: Transport,
        document: str,
        decode: Decode,
        after: Cursor | int | None,
        filter: Mapping[str, Any] | None,
        patience: Patience,
        closing: Closing,
    ) -> None:
        self._seen = [Cursor(after) if isinstance(after, int) else after]
        self._handed = self._seen[0]
        self._items: AsyncGenerator[tuple[Cursor, Item], None] = _items(
            transport, document, decode, filter, patience, closing, self._seen
        )

    @property
    def cursor(self) -> Cursor | None:
        """Behind the last item that was handed out. Keep it once the item is handled; give it as `after`."""
        return self._handed

    def __aiter__(self) -> Feed[Item]:
        return self

    async def __anext__(self) -> Item:
        self._handed, item = await anext(self._items)
        return item

    async def aclose(self) -> None:
        await self._items.aclose()


async def _items(
    transport: Transport,
    document: str,
    decode: Decode,
    filter: Mapping[str, Any] | None,
    patience: Patience,
    closing: Closing,
    seen: list[Cursor | None],
) -> AsyncGenerator[tuple[Cursor, Any], None]:
    """The items with their cursors. seen: the last cursor alone."""

    def request() -> dict[str, Any]:
        [last] = seen
        after = {"after": str(last.position), "logEpoch": last.log_epoch} if last else {}
        return {"query": document, "variables": {**after, "filter": filter}}

    async with aclosing(subscribed(transport, request, patience, closing)) as answers:
        async for data in answers:
            [item] = data.values()
            cursor = Cursor(int(item["position"]), item["logEpoch"])
            is_event = "version" in item
            if is_event and seen[0] and cursor.position <= seen[0].position:
                continue
            seen[0] = cursor
            try:
                yield cursor, decode(item)
            except UnknownType:
                if is_event:
                    raise
