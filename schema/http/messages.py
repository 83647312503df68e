"""What clients send on a WebSocket, in both protocols: its form, its size, and the ids of documents."""

from __future__ import annotations

from typing import Any

import msgspec

from commander.resolvers.trusted_documents import TrustedDocuments
from commander.schema.errors import BAD_REQUEST
from commander.schema.http.document_ids import text_for
from commander.schema.http.wire import HttpError

_REFUSED = "commander.refused"
"""The key of a message whose operation is refused: the error for its client."""
NOTHING: dict[str, Any] = {}
"""In place of a message that is too large and begins no operation."""
_LONGEST_REASON = 123  # bytes, RFC 6455: a control frame carries 125, two of them the code
_NEEDS_ID = ("subscribe", "start", "complete", "stop")
_NEEDS_QUERY = ("subscribe", "start")


class _Head(msgspec.Struct):
    """What a message is for, without its payload."""

    type: str
    id: str


def is_longer(text: str, limit: int) -> bool:
    """Whether a text has more than so many bytes."""
    return len(text) > limit or (not text.isascii() and 4 * len(text) > limit and len(text.encode()) > limit)


def refused(text: str, limit: int) -> dict[str, Any]:
    """A message that is too large, without its operation. NOTHING if it does not begin one."""
    try:
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return NOTHING
    if head.type not in _NEEDS_QUERY:
        return NOTHING
    why = f"the message is larger than {limit} bytes"
    return _refusing(head.type, head.id, why, BAD_REQUEST)


def with_document(message: Any, trusted: TrustedDocuments) -> Any:
    """The message with the document whose id it has. Without its operation if there is none with this id."""
    if not isinstance(message, dict) or message.get("type") not in _NEEDS_QUERY:
        return message
    payload = message.get("payload")
    if not isinstance(payload, dict) or payload.get("query"):
        return message
    try:
        text = text_for(payload, trusted)
    except HttpError as error:
        return _refusing(message["type"], message.get("id"), error.reason, error.code)
    return message if text is None else {**message, "payload": {**payload, "query": text}}


def _refusing(kind: str, id: Any, why: str, code: str) -> dict[str, Any]:
    refusal = {"message": why, "extensions": {"code": code}}
    return {"type": kind, "id": id, "payload": {"query": ""}, _REFUSED: refusal}


def refusal_of(message: Any) -> Any:
    """The error for the client if the operation of its message is refused. None if it is not."""
    return message.get(_REFUSED)


def closing_reason(text: str) -> str:
    """The text, cut to the size of a closing frame."""
    return text.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")


def problem_of(message: Any) -> str | None:
    """What is wrong with a message from a client. None if it is valid."""
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
