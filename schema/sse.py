"""Server-Sent Events: results with their cursors, and where a client that comes back goes on.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections mode), and
https://html.spec.whatwg.org/multipage/server-sent-events.html for `id` and Last-Event-ID.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import SSETransport
from strawberry.types import ExecutionResult

from commander.domain.errors import InvalidRequest

_LARGEST = 2**63 - 1


class Placed(dict[str, Any]):
    """A GraphQL response that stands at a position in the log."""

    position: int


class CursorEvents(SSETransport):
    """Each item of the feed is an event whose id is its position in the log.

    Lines end with LF: the standard allows CR LF too, but urql does not see where an event ends by it.
    """

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: Callable[[object], str]) -> str:
        id_line = f"id: {response.position}\n" if isinstance(response, Placed) else ""
        return f"event: next\n{id_line}data: {encode_json(response)}\n\n"

    def encode_complete(self) -> str:
        return "event: complete\ndata:\n\n"

    def heartbeat_message(self, encode_json: Callable[[object], str]) -> str:
        return ":\n\n"


def at_its_place(response: GraphQLHTTPResponse, result: ExecutionResult) -> GraphQLHTTPResponse:
    """The response to a result, which keeps the result's position."""
    position = getattr(result, "position", None)
    if position is None:
        return response
    kept: Any = Placed(response)
    kept.position = position
    made: GraphQLHTTPResponse = kept
    return made


def last_event_id(header: str | None) -> int | None:
    """The position that a client had seen; None for one that comes first. Raises InvalidRequest."""
    if not header:
        return None
    if header.isascii() and header.isdigit() and len(header) < 20 and int(header) <= _LARGEST:
        return int(header)
    raise InvalidRequest("Last-Event-ID", f"must be a position, a whole number, got {header!r:.100}")
