"""WebSocket messages of both protocols, graphql-transport-ws and graphql-ws: only well-formed ones pass.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md: a message of another form ends the connection
with code 4400.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived

_BAD_MESSAGE = 4400
_LONGEST_REASON = 123  # bytes, RFC 6455: a control frame carries 125, two of them the code
_NEEDS_ID = ("subscribe", "start", "complete", "stop")
_NEEDS_QUERY = ("subscribe", "start")


class CheckedWebSocket(ASGIWebSocketAdapter):
    """Ends the connection over a message that is not of the protocol's form, saying what is wrong with it."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        try:
            async for message in super().iter_json():
                if problem := problem_of(message):
                    await self.close(_BAD_MESSAGE, problem)
                    return
                yield message
        except NonTextMessageReceived:
            await self.close(_BAD_MESSAGE, "a message must be text, not binary")
        except NonJsonMessageReceived as error:
            await self.close(_BAD_MESSAGE, f"the message is not JSON: {error.__cause__}")

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, closing_reason(reason))


def closing_reason(text: str) -> str:
    """As much of the text as a closing frame carries."""
    return text.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")


def problem_of(message: Any) -> str | None:
    """What is wrong with the form of a message from a client; None if nothing is."""
    if not isinstance(message, dict):
        return "a message must be a JSON object"
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str):
        return "a message needs a type, a string"
    if kind in _NEEDS_ID and not isinstance(message.get("id"), str):
        return f"a message of the type {kind} needs an id, a string"
    if not isinstance(payload, dict | None):
        return f"the payload of {kind} must be an object"
    if kind in _NEEDS_QUERY:
        return _problem_of_request(payload or {})
    return None


def _problem_of_request(payload: dict[str, Any]) -> str | None:
    if not isinstance(payload.get("query"), str):
        return "payload.query must be a string"
    if not isinstance(payload.get("variables"), dict | None):
        return "payload.variables must be an object"
    if not isinstance(payload.get("operationName"), str | None):
        return "payload.operationName must be a string"
    return None
