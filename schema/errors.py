"""The errors that a client sees. Each has a code. An unexpected error shows only an incident number.

extensions.code is one of:

UNAVAILABLE          a server is away, silent, full or read-only; try again (extensions.server, trouble…, and
                     incident: the server's log has the reason under it)
OVERLOADED           a limit is reached; try again later (extensions.retryAfterSeconds)
RATE_LIMITED         the client has used what it may; try again later (extensions.limit, retryAfterSeconds)
TIMED_OUT            the operation took longer than it may; ask for less (extensions.seconds)
COST_TOO_HIGH        the operation can cost too many points; ask for less (extensions.cost and limit)
ANSWER_TOO_LARGE     the lists of the answer have too many items; ask for less (extensions.limit)
UNIQUE_KEY_BUILDING  this code has no index of the unique key that is built; try again later
PROJECTION_BUILDING  this code has no table that is built; try again later
PROJECTION_BEHIND    a projection is late; try again (extensions.projection, position and wanted)
PROJECTION_STOPPED   a projection cannot fold an event; it goes on when its code is fixed (extensions as for
                     PROJECTION_BEHIND; for operators also stopped: position, type and error of the event)
BAD_REQUEST          the request is wrong (extensions.argument, if it is about one argument)
PERSISTED_QUERY_NOT_SUPPORTED, PERSISTED_QUERY_NOT_FOUND
                     a request has the id of a document in place of a document, and there is no such
                     document; send the document
DOCUMENT_NOT_TRUSTED this API runs only documents that were added to it
CURSOR_LOST          the log was set back since the cursor was given (extensions.position and logEpoch:
                     subscribe again with these)
UNAUTHENTICATED      the token of the request is not accepted; sign in again
TOKEN_EXPIRED        the token has expired or was revoked; get a new one, and resume streams
FORBIDDEN            the viewer may not do this
NOT_FOUND            there is no such thing
UNREADABLE           the data is stored, but this code cannot read it (operators are told why; for others
                     extensions.incident: the server's log has the reason under it)
INTERNAL             an unexpected error; the server's log has it under extensions.incident
MORE_ERRORS          the last of many errors: further ones are not shown
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from commander.domain import ProjectionFailed, UndecodableEvent
from commander.domain.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    NotServing,
    Overloaded,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)
from commander.domain.names import camel
from commander.eventstore.projections.folding import Stopped
from commander.eventstore.projections.serving import CannotServe, ProjectionBuilding
from commander.resolvers.affordances import UnreadableState
from commander.resolvers.allowances import CostTooHigh, RateLimited, TimedOut
from commander.resolvers.answer_size import AnswerTooLarge
from commander.resolvers.cursors import LostCursor
from commander.resolvers.read_your_writes import AheadOfLog, Late, ProjectionBehind, ProjectionStopped
from commander.resolvers.trusted_documents import UntrustedDocument
from commander.resolvers.unique_rows import UniqueKeyBuilding
from commander.schema.incidents import Outages, unexpected
from commander.streaming.commands.deciding import CannotDecide
from commander.streaming.nats.names import StoresDiffer

_OUTAGES = Outages()
BAD_REQUEST = "BAD_REQUEST"
MORE_ERRORS = "MORE_ERRORS"
_UNREADABLE = "UNREADABLE"
UNREADABLE_HERE = "this is stored, but the code of this server cannot read it"
"""What those who are no operators are told of data that cannot be read."""
RATE_LIMITED = "RATE_LIMITED"
MAX_ERRORS = 20
"""The most errors of an answer. One more says that there are others. Checking a request stops after these."""
_SUGGESTING = 3
"""How many errors suggest names: to find them, an unknown name is compared with all that are known."""
_MAX_MESSAGE = 1000
_MAX_WORD = 100
_LONG_WORD = re.compile(rf"(\S{{{_MAX_WORD}}})\S+")
_CODES: Mapping[type[Exception], str] = {
    TokenExpired: "TOKEN_EXPIRED",
    Unauthenticated: "UNAUTHENTICATED",
    Unavailable: "UNAVAILABLE",
    StoresDiffer: "UNAVAILABLE",
    Overloaded: "OVERLOADED",
    RateLimited: RATE_LIMITED,
    CostTooHigh: "COST_TOO_HIGH",
    TimedOut: "TIMED_OUT",
    UntrustedDocument: "DOCUMENT_NOT_TRUSTED",
    AnswerTooLarge: "ANSWER_TOO_LARGE",
    UniqueKeyBuilding: "UNIQUE_KEY_BUILDING",
    ProjectionBuilding: "PROJECTION_BUILDING",
    CannotServe: BAD_REQUEST,
    Forbidden: "FORBIDDEN",
    InvalidRequest: BAD_REQUEST,
    NotFound: "NOT_FOUND",
    ProjectionBehind: "PROJECTION_BEHIND",
    ProjectionStopped: "PROJECTION_STOPPED",
    LostCursor: "CURSOR_LOST",
    UndecodableEvent: _UNREADABLE,
    CannotDecide: _UNREADABLE,
    UnreadableState: _UNREADABLE,
    ProjectionFailed: _UNREADABLE,
    MissingQueryError: BAD_REQUEST,
}


def typed(error: GraphQLError, operates: bool = False) -> GraphQLError:
    """The error with its code, and without internal details.

    operates: an operator sees it, who is told what the code of the domain raised.
    """
    if "code" in (error.extensions or {}):
        return error
    original = _original(error)
    if original is None:  # GraphQL's own; below a root field: a value that GraphQL cannot represent
        code = _UNREADABLE if len(error.path or ()) > 1 else BAD_REQUEST
        message, extensions = shortened(error.message), {"code": code}
    else:
        message, extensions = message_and_extensions(original, operates)
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def shortened(message: str) -> str:
    """A message that can hold what the client sent: at most 1,000 characters, and 100 without a blank."""
    if len(message) <= _MAX_WORD:
        return message
    short = _LONG_WORD.sub(r"\1…", message)
    return short if len(short) <= _MAX_MESSAGE else f"{short[: _MAX_MESSAGE - 1]}…"


def suggesting(
    errors: Sequence[GraphQLError], again: Callable[[int], Sequence[GraphQLError]]
) -> list[GraphQLError]:
    """These errors, of a check that suggests no names. The first few do.

    again: the same check with suggestions, which stops after this many errors.
    """
    return [*again(_SUGGESTING)[:_SUGGESTING], *errors[_SUGGESTING:]] if errors else []


def bounded(errors: Sequence[GraphQLError], *, complete: bool = False) -> list[GraphQLError]:
    """The first of these errors. If there are more, one error more says so.

    complete: these are all errors, so it says how many more there are.
    """
    if len(errors) <= MAX_ERRORS:
        return list(errors)
    more = f"{len(errors) - MAX_ERRORS} more errors" if complete else "there are more errors, which"
    message = f"{more} are not shown; {MAX_ERRORS} is the limit"
    return [*errors[:MAX_ERRORS], GraphQLError(message, extensions={"code": MORE_ERRORS})]


def coerced(error: Exception) -> GraphQLError:
    """Any error as a GraphQLError."""
    return error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)


def message_and_extensions(error: Exception, operates: bool = False) -> tuple[str, dict[str, Any]]:
    """The message and the extensions for an error. Logs an unexpected error with its incident number.

    operates: as of `typed`.
    """
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            if isinstance(error, Unavailable) and not isinstance(error, NotServing):
                message, incident = _OUTAGES.shown(error)
                return message, {"code": code, **_details(error), "incident": incident}
            if not operates and code == _UNREADABLE:
                return UNREADABLE_HERE, {"code": code, "incident": _OUTAGES.number_of(error)}
            if isinstance(error, ProjectionStopped):
                return error.message_for(operates), {"code": code, **_of_projection(error, operates)}
            quotes_client = isinstance(error, InvalidRequest | NotFound)
            message = shortened(str(error)) if quotes_client else str(error)
            return message, {"code": code, **_details(error)}
    if isinstance(error, InvalidOperationTypeError):
        return f"this transport cannot send a {error.operation_type.value}", {"code": BAD_REQUEST}
    incident = unexpected(error)
    return f"internal error {incident}", {"code": "INTERNAL", "incident": incident}


def _details(error: Exception) -> dict[str, Any]:
    """The details that an error carries. Positions are strings."""
    match error:
        case AheadOfLog():
            return {"argument": error.argument, "head": str(error.head)}
        case NotServing(service=server, state=state):
            return {"server": server, "trouble": state, "retryAfterSeconds": error.retry_after_seconds}
        case Unavailable(service=server, trouble=trouble, since=since):
            known = {} if trouble is None else {"trouble": trouble.value}
            return {"server": server, **known, **({} if since is None else {"since": since.isoformat()})}
        case Overloaded():
            return {"retryAfterSeconds": error.retry_after_seconds}
        case RateLimited():
            return {"limit": error.limit, "retryAfterSeconds": error.retry_after_seconds}
        case TimedOut():
            return {"seconds": error.seconds}
        case CostTooHigh():
            return {"cost": error.cost, "limit": error.limit}
        case AnswerTooLarge():
            return {"limit": error.limit}
        case InvalidRequest():
            return {"argument": error.argument}
        case LostCursor():
            return {"position": str(error.kept), "logEpoch": error.epoch}
        case ProjectionBehind():
            return _of_projection(error)
    return {}


def _of_projection(error: Late, operates: bool = False) -> dict[str, Any]:
    position, wanted = str(error.position), str(error.wanted)
    known = {"projection": camel(error.projection), "position": position, "wanted": wanted}
    if operates and isinstance(error, ProjectionStopped):
        return {**known, "stopped": stopped_extension(error.stopped)}
    return known


def why_unreadable(error: UndecodableEvent, operates: bool) -> str:
    """The reason that is told beside an event that cannot be read."""
    return error.reason if operates else UNREADABLE_HERE


def stopped_extension(stopped: Stopped) -> dict[str, str]:
    """The event that a projection cannot fold, in extensions."""
    return {"position": str(stopped.position), "type": stopped.type, "error": stopped.error}


def is_request_error(result: ExecutionResult) -> bool:
    """Whether the operation did not begin. An error of a field has the path of the field."""
    if isinstance(result, PreExecutionError):
        return True
    return result.data is None and not any(error.path for error in result.errors or ())


def _original(error: GraphQLError) -> Exception | None:
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    return None if isinstance(original, GraphQLError) else original
