"""Server-Sent Events: results with their cursors, and resuming after Last-Event-ID.

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


class ResponseWithCursor(dict[str, Any]):
    """A GraphQL response with the cursor after which a client resumes."""

    cursor: str


class CursorEvents(SSETransport):
    """Each item is an event of the stream. Its id is the cursor: a position in the log, or a cursor of rows.

    Lines end with LF. The standard also allows CR LF, but urql does not find the end of an event then.
    """

    def encode_next(self, response: GraphQLHTTPResponse, encode_json: Callable[[object], str]) -> str:
        id_line = f"id: {response.cursor}\n" if isinstance(response, ResponseWithCursor) else ""
        return f"event: next\n{id_line}data: {encode_json(response)}\n\n"

    def encode_complete(self) -> str:
        return "event: complete\ndata:\n\n"

    def encode_last(self, response: GraphQLHTTPResponse, encode_json: Callable[[object], str]) -> str:
        """An item after which the stream ends without `complete`, so that the client comes back."""
        return self.encode_next(response, encode_json)

    def heartbeat_message(self, encode_json: Callable[[object], str]) -> str:
        return ":\n\n"


def with_cursor(response: GraphQLHTTPResponse, result: ExecutionResult) -> GraphQLHTTPResponse:
    """The response with the cursor of the result, if it has one."""
    cursor = getattr(result, "cursor", None)
    if cursor is None:
        return response
    kept: Any = ResponseWithCursor(response)
    kept.cursor = cursor
    made: GraphQLHTTPResponse = kept
    return made


def last_event_id(header: str | None) -> Cursor | None:
    """The cursor in the header Last-Event-ID. None without the header. Raises InvalidRequest."""
    return live_cursor_from("Last-Event-ID", header) if header else None
