"""What subscriptions send: items that are rendered to JSON, once for all subscribers that share them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from graphql import GraphQLError

from commander.eventstore.records import RecordedEvent

_KEPT = 1000
_KEPT_BYTES = 4 * 1024 * 1024


class Rendered:
    """One item of a subscription, rendered for one fan-out group: a GraphQL response as JSON.

    cursor: the client resumes after it. None: the position is the cursor.
    heads: cached heads of WebSocket frames, by the size of the envelope around the payload.
    """

    __slots__ = ("_data_size", "cursor", "errors", "heads", "payload", "position")

    def __init__(
        self, position: int, data: bytes, errors: Sequence[GraphQLError] = (), cursor: str | None = None
    ) -> None:
        self.position = position
        self.cursor = cursor
        self.errors = errors
        self.payload = _BEFORE_DATA + data + _after_data(errors)
        self.heads: dict[int, bytes] = {}
        self._data_size = len(data)

    @property
    def data(self) -> msgspec.Raw:
        return msgspec.Raw(self.payload[len(_BEFORE_DATA) :][: self._data_size])


_BEFORE_DATA = b'{"data":'


def _after_data(errors: Sequence[GraphQLError]) -> bytes:
    if not errors:
        return b"}"
    return b',"errors":' + msgspec.json.encode([error.formatted for error in errors]) + b"}"


@dataclass
class RenderedEvents:
    """events: how many events were rendered; one that subscribers share counts once."""

    events: int = 0


class KeptRenderings:
    """The newest renderings of events, at most 1,000 and about 4 MB."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[RecordedEvent, Rendered]] = OrderedDict()
        self._bytes = 0

    def get(self, event: RecordedEvent) -> Rendered | None:
        """None also if another event was at this position: the log was set back."""
        kept = self._kept.get(event.position)
        return kept[1] if kept is not None and kept[0] == event else None

    def add(self, event: RecordedEvent, rendered: Rendered) -> None:
        self._drop(self._kept.pop(event.position, None))
        self._kept[event.position] = event, rendered
        self._bytes += len(rendered.payload)
        while len(self._kept) > _KEPT or self._bytes > _KEPT_BYTES:
            self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, kept: tuple[RecordedEvent, Rendered] | None) -> None:
        if kept is not None:
            self._bytes -= len(kept[1].payload)
