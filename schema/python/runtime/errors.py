"""What can go wrong, and what a repetition can mend.

ClientError
├─ RequestRefused   a repetition would be refused too
├─ CursorLost       the log was set back
├─ OutcomeUnknown   the patience ended before the outcome of a command was known
├─ Interrupted      a repetition can succeed
└─ UnknownType      the API sent a type that this client does not know
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: the position of the last item that was handled, and the epoch it belongs to."""

    position: int
    log_epoch: int = 1


class ClientError(Exception):
    """What this client raises. See the tree of this module."""


class RequestRefused(ClientError):
    """The API refused a request. A repetition would be refused too. code: that of the first error."""

    def __init__(
        self, message: str, code: str | None = None, errors: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.errors = errors


class CursorLost(ClientError):
    """The log was set back: events behind `cursor` that were read before no longer exist.

    Drop what came from them, and follow again after `cursor`.
    """

    def __init__(self, message: str, cursor: Cursor) -> None:
        super().__init__(message)
        self.cursor = cursor


class OutcomeUnknown(ClientError):
    """The patience ended before the outcome was known. Send the same command again under `command_id`."""

    def __init__(self, command_id: UUID, cause: BaseException) -> None:
        super().__init__(f"the outcome of the command {command_id} is not known: {cause}")
        self.command_id = command_id


class Interrupted(ClientError):
    """A connection or an answer was lost, or the server is not ready. A repetition can succeed.

    retry_after_seconds: what the server asked for. access: the server said that the client lacks a right,
    which new credentials mend. suspect: it can also mean that the request is wrong, if none was answered yet.
    """

    def __init__(
        self,
        message: str,
        code: str | None = None,
        *,
        retry_after_seconds: float = 0,
        access: bool = False,
        suspect: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.access = access
        self.suspect = suspect


class UnknownType(ClientError):
    """The API sent an object of a type that this client does not know. Write the client again."""


FINAL = frozenset(
    {
        *("BAD_REQUEST", "NOT_FOUND", "UNREADABLE", "ANSWER_TOO_LARGE", "MORE_ERRORS"),
        *("GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "PERSISTED_QUERY_NOT_FOUND"),
    }
)
"""Codes of errors that a repetition does not mend. Any other can pass: it may be a gateway's."""


def failure(errors: Sequence[Mapping[str, Any]]) -> RequestRefused | CursorLost | Interrupted:
    """What the errors of an answer mean."""
    first: Mapping[str, Any] = errors[0] if errors else {"message": "the answer has no data"}
    message = str(first.get("message"))
    extensions = first.get("extensions") or {}
    code = extensions.get("code")
    if code == "CURSOR_LOST":
        cursor = Cursor(int(extensions["position"]), int(extensions.get("logEpoch") or 1))
        return CursorLost(message, cursor)
    if code in FINAL:
        return RequestRefused(message, code, errors)
    access = code in ("UNAUTHENTICATED", "FORBIDDEN")
    seconds = _seconds(extensions.get("retryAfterSeconds"))
    return Interrupted(message, code, retry_after_seconds=seconds, access=access, suspect=code is None)


def status_failure(status: int, headers: Mapping[str, str], text: str = "") -> Interrupted:
    """What a response means that is not a GraphQL answer. text: its body, of which the beginning is shown."""
    wrong = 400 <= status < 500 and status not in (408, 425, 429)
    return Interrupted(
        f"status {status}: {text[:200]}",
        retry_after_seconds=_retry_after(headers.get("retry-after")),
        access=status in (401, 403),
        suspect=wrong or status < 400,
    )


def _retry_after(header: str | None) -> float:
    """Seconds, from a number or a date. 0 without the header."""
    if header is None or header.isdecimal():
        return _seconds(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0
    return max(0, (at - datetime.now(UTC if at.tzinfo else None)).total_seconds())


def _seconds(value: object) -> float:
    try:
        return max(0, float(str(value)))
    except ValueError:
        return 0
