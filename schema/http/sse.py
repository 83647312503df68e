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

from commander.resolvers.cursors import live_cursor_from
from commander.streaming.live.changes import Cursor


class Placed(dict[str, Any]):
    """A GraphQL response behind which a client may go on."""

    cursor: str


class CursorEvents(SSETransport):
    """Each item of the feed is an event whose id is its position in the log; of rows, their cursor.

    Lines end with LF: the standard allows CR LF too, but urql does not see where an event ends by it.
    """

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: Callable[[object], str]) -> str:
        id_line = f"id: {response.cursor}\n" if isinstance(response, Placed) else ""
        return f"event: next\n{id_line}data: {encode_json(response)}\n\n"

    def encode_complete(self) -> str:
        return "event: complete\ndata:\n\n"

    def heartbeat_message(self, encode_json: Callable[[object], str]) -> str:
        return ":\n\n"


def at_its_place(response: GraphQLHTTPResponse, result: ExecutionResult) -> GraphQLHTTPResponse:
    """The response to a result, which keeps the result's cursor."""
    cursor = getattr(result, "cursor", None)
    if cursor is None:
        return response
    kept: Any = Placed(response)
    kept.cursor = cursor
    made: GraphQLHTTPResponse = kept
    return made


def last_event_id(header: str | None) -> Cursor | None:
    """Up to where a client had seen; None for one that comes first. Raises InvalidRequest."""
    return live_cursor_from("Last-Event-ID", header) if header else None
