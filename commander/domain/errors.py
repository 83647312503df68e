"""The errors that more than one folder knows, one tree; others stand where they are raised, below its root.

CommanderError
├─ DefinitionError      a domain is written wrong (raised at import or when it is loaded)
├─ Rejected             raised by a domain's decider: the command breaks a rule
├─ InvalidCommand       a command's input breaks a constraint; it is never accepted
├─ InvalidDecision      a decider returned something that is not its events
├─ UndecodableEvent     a stored event cannot be read as its type
├─ ProjectionFailed     a projection raised on an event
├─ InvalidRequest       a query's argument is out of range
├─ NotFound             what was asked for by id does not exist
└─ Unavailable          Postgres or NATS cannot be reached
   └─ LeasesLost     a processor's connection, and with it its partitions, is gone
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CommanderError(Exception):
    """The root: catching it catches everything that Commander raises on purpose."""


class DefinitionError(CommanderError):
    """A domain definition is wrong. `where` is file:line; fix what the message names and import again."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class Rejected(CommanderError):
    """Raise it in a decider to refuse a command. It becomes the command's one outcome.

    code: stable, for programs, like INSUFFICIENT_FUNDS. message: for people, may be empty.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a command's input: where (field names from the outside in) and what."""

    path: tuple[str, ...]
    message: str


def described(problems: Sequence[Problem]) -> str:
    """Problems as one line."""
    return "; ".join(f"{'.'.join(p.path)}: {p.message}" for p in problems)


class InvalidCommand(CommanderError):
    """The input of a command breaks the constraints its fields declare. Nothing was stored."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(described(problems))
        self.problems = problems


class InvalidDecision(CommanderError):
    """A decider returned something else than events of its aggregate. The command fails."""


class UndecodableEvent(CommanderError):
    """A stored event does not fit its type any more. `position` says where in the log it stands."""

    def __init__(self, position: int, type_name: str, reason: str) -> None:
        super().__init__(f"the event at position {position} cannot be read as {type_name}: {reason}")
        self.position = position
        self.type_name = type_name
        self.reason = reason


class ProjectionFailed(CommanderError):
    """A projection raised, or has no row for an event that changes one. It stands at `position` - 1."""

    def __init__(self, projection: str, position: int, event_type: str, reason: str) -> None:
        super().__init__(f"projection {projection} failed on {event_type} at position {position}: {reason}")
        self.projection = projection
        self.position = position
        self.event_type = event_type
        self.reason = reason


class InvalidRequest(CommanderError):
    """An argument is out of what is allowed; `argument` names it, the message says what is allowed."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class NotFound(CommanderError):
    """There is nothing by this id (yet): the message says what was looked for."""


class Unavailable(CommanderError):
    """A server that this needs cannot be reached now; `service` says which. Try again later."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} is unavailable: {reason}")
        self.service = service
        self.reason = reason


class LeasesLost(Unavailable):
    """The connection that held a processor's partitions is gone: the partitions are free for others."""
