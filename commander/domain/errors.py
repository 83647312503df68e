"""The errors that several packages use, as one tree. Other errors are defined in the module that raises them.

CommanderError
├─ DefinitionError      a domain's definition is wrong (raised at import or when it is loaded)
├─ Rejected             raised by a domain's decider: the command breaks a rule
├─ InvalidCommand       a command's input breaks a constraint; the command is not accepted
├─ InvalidDecision      a decider returned a value that is not an event of its aggregate
├─ HookFailed           a hook raised an error other than Rejected, or returned a wrong value
├─ Forbidden            the viewer may not do this
├─ RuleFailed           a rule raised, or returned a wrong value
├─ UndecodableEvent     a stored event cannot be read as its type
│  └─ UnknownEvent      this code does not know its type, or not in this version; other code may
├─ ProjectionFailed     a projection raised on an event
├─ HandlerTimedOut      a call of the domain's code did not return in time
├─ EndedItsProcess      a call of the domain's code ended its process, each time
├─ InvalidRequest       an argument of a query is outside its range
├─ NotFound             there is no object with this id
├─ Unauthenticated      the token of a request is not accepted
│  └─ TokenExpired      it was accepted, or could have been, until it expired or was revoked
├─ Overloaded           a limit of what may wait at once is reached
└─ Unavailable          Postgres or NATS cannot be reached, or cannot work
   ├─ NotServing        this API process starts or stops, or waits for `commander restore`
   └─ LeasesLost        a processor lost its connection and with it the leases on its partitions

HandlerStuck, not part of the tree, is raised in a call that ignores HandlerTimedOut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


class CommanderError(Exception):
    """The root of the tree. Every error that Commander raises on purpose is a subclass."""


class DefinitionError(CommanderError):
    """A domain's definition is wrong. `where` is file:line. Fix what the message names and import again."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class Rejected(CommanderError):
    """Raise it in a decider to reject the command. The rejection is the command's outcome.

    code: stable, for programs, like INSUFFICIENT_FUNDS. message: for people; may be empty.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Problem:
    """One problem in a command's input. path: the field names from the outermost to the innermost."""

    path: tuple[str, ...]
    message: str


def described(problems: Sequence[Problem]) -> str:
    """The problems as one line of text."""
    return "; ".join(f"{'.'.join(p.path)}: {p.message}" for p in problems)


class InvalidCommand(CommanderError):
    """The input of a command breaks constraints of its fields. Nothing was stored."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(described(problems))
        self.problems = problems


class InvalidDecision(CommanderError):
    """A decider returned a value that is not an event of its aggregate. The command fails."""


class HookFailed(CommanderError):
    """A hook of the domain raised an error other than Rejected, or returned a wrong value."""


class Forbidden(CommanderError):
    """The viewer may not do what it asks for. Nothing was stored. The message does not say why."""


class RuleFailed(CommanderError):
    """A rule of the domain raised, or returned a wrong value. Nothing is shown, and nothing is accepted."""


class UndecodableEvent(CommanderError):
    """A stored event cannot be read as its type. `position` is its position in the log."""

    def __init__(self, position: int, type_name: str, reason: str) -> None:
        super().__init__(f"the event at position {position} cannot be read as {type_name}: {reason}")
        self.position = position
        self.type_name = type_name
        self.reason = reason


class Versioned(Protocol):
    """An event's type, as far as its schema version."""

    @property
    def version(self) -> int: ...


class UnknownEvent(UndecodableEvent):
    """The domain does not have the event's type, or not in this schema version. Newer code may read it.

    known: the type that the domain has; None if it has none of this name.
    """

    def __init__(
        self, position: int, type_name: str, schema_version: int, domain: str, known: Versioned | None
    ) -> None:
        reason = f"the domain {domain} has no such event"
        if known is not None:
            reason = f"it has schema version {schema_version}, newer than this code's {known.version}"
        super().__init__(position, type_name, reason)
        self.schema_version = schema_version


class ProjectionFailed(CommanderError):
    """A projection raised, or has no row for an event that changes one. Its checkpoint is `position` - 1."""

    def __init__(self, projection: str, position: int, event_type: str, reason: str) -> None:
        super().__init__(f"projection {projection} failed on {event_type} at position {position}: {reason}")
        self.projection = projection
        self.position = position
        self.event_type = event_type
        self.reason = reason


class HandlerTimedOut(CommanderError):
    """A call of the domain's code did not return within its time. The message says where the call was."""

    def __init__(self, seconds: float, where: str) -> None:
        super().__init__(f"did not return within {seconds:g} seconds; it was in {where}")


class HandlerStuck(BaseException):
    """Like HandlerTimedOut, for a call that has caught that one and goes on."""

    def __init__(self, seconds: float, where: str) -> None:
        super().__init__(f"did not return within {seconds:g} seconds and ignored it; it was in {where}")


class EndedItsProcess(CommanderError):
    """A handler of the domain ended its process each time it handled an event. The message names it."""

    def __init__(self, times: int, handler: object) -> None:
        where = f"{getattr(handler, '__qualname__', handler)} of {handler.__module__}"
        super().__init__(f"{where} ended its process {times} times; the log of the process may say why")


RAISED = (Exception, HandlerStuck)
"""What a call of the domain's code may raise."""


def timed_out(error: BaseException | None) -> bool:
    """Whether an error was caused by a call of the domain's code that did not return in time."""
    while error is not None and not isinstance(error, HandlerTimedOut | HandlerStuck):
        error = error.__cause__
    return error is not None


class InvalidRequest(CommanderError):
    """An argument is outside its range. `argument` is its name; the message gives the valid range."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class NotFound(CommanderError):
    """There is no object with this id, or not yet. The message names the id."""


class Unauthenticated(CommanderError):
    """The token of a request is not accepted. The message says why. Sign in, and send another token."""


class TokenExpired(Unauthenticated):
    """The token has expired or was revoked. Get a new one. A stream can resume after its last cursor."""


class Overloaded(CommanderError):
    """As much waits or is open as may. Nothing was stored. Try again after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Trouble(Enum):
    """What is wrong with a server.

    AWAY: it cannot be reached. REFUSED: it answers, and refuses this process: the password, the database or a
    setting in the URL is wrong. SILENT: it is connected and does not answer. FULL: its disk is full.
    READ_ONLY: it takes no writes.
    """

    AWAY = "away"
    REFUSED = "refused"
    SILENT = "silent"
    FULL = "full"
    READ_ONLY = "read-only"


class Unavailable(CommanderError):
    """A required server cannot be reached, or cannot work, at the moment. Try again later.

    service: its name. trouble, since: what is wrong with it, and since when in UTC; None if it is not known.
    """

    def __init__(
        self, service: str, reason: str, trouble: Trouble | None = None, since: datetime | None = None
    ) -> None:
        super().__init__(f"{service} is unavailable: {reason}")
        self.service = service
        self.reason = reason
        self.trouble = trouble
        self.since = since


class NotServing(Unavailable):
    """This API process does not serve. Another one may, so connect again after `retry_after_seconds`.

    state: "starting", "stopping", or "set back" if Postgres or NATS was and `commander restore` is awaited.
    """

    def __init__(self, state: str, reason: str, retry_after_seconds: int = 1) -> None:
        super().__init__("API", reason)
        self.state = state
        self.retry_after_seconds = retry_after_seconds


class LeasesLost(Unavailable):
    """A processor lost the connection that held its leases. Other processors can take its partitions."""
