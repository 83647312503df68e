"""The results of a command, as a mutation returns them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import msgspec

from commander.domain import Problem
from commander.domain.rights import FORBIDDEN
from commander.eventstore.records import Decision, NewEvent, RecordedEvent, Status
from commander.resolvers.read_your_writes import Late
from commander.resolvers.settling import Settlement
from commander.streaming.commands.outcomes import Ended

VERSION_CONFLICT = "VERSION_CONFLICT"


class Stage(Enum):
    """What a pending command waits for."""

    DECISION = "DECISION"
    """Its decision."""
    PROJECTION = "PROJECTION"
    """The projections that show its events."""
    REACTIONS = "REACTIONS"
    """What reactors do because of it, with `wait: SETTLED`."""


class AcceptedResult(msgspec.Struct, frozen=True):
    command_id: UUID


@dataclass(frozen=True)
class AppliedResult:
    """position: of the command's last event. version: of the stream, after the command.

    settlement: what followed from it; None if that was not waited for.
    """

    command_id: UUID
    stream: str
    position: int
    version: int
    events: tuple[RecordedEvent, ...]
    settlement: Settlement | None = None


@dataclass(frozen=True)
class RejectedResult:
    """The domain refused the command. The code and the message are those of the domain."""

    command_id: UUID
    code: str
    message: str


@dataclass(frozen=True)
class ForbiddenResult:
    """The viewer may not send the command."""

    command_id: UUID


@dataclass(frozen=True)
class FailedResult:
    """The code of the domain failed on the command. The command is a dead letter."""

    command_id: UUID
    code: str
    message: str


@dataclass(frozen=True)
class VersionConflictResult:
    command_id: UUID
    expected_version: int | None
    current_version: int
    message: str


@dataclass(frozen=True)
class PendingResult:
    """The wait has ended before the stage. The command continues.

    position: None until it is decided. late: the projections that do not show its events, and why.
    """

    command_id: UUID
    stage: Stage
    position: int | None
    late: tuple[Late, ...] = ()


@dataclass(frozen=True)
class ConflictResult:
    """The id was used before, with other content or by another sender."""

    command_id: UUID


@dataclass(frozen=True)
class InvalidResult:
    command_id: UUID
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class ValidResult:
    """The result of a dry run: the events, and the version of the stream after them."""

    command_id: UUID
    stream: str
    version: int
    events: tuple[NewEvent, ...]


Result = (
    AcceptedResult
    | AppliedResult
    | RejectedResult
    | ForbiddenResult
    | FailedResult
    | VersionConflictResult
    | PendingResult
    | ConflictResult
    | InvalidResult
    | ValidResult
)


def result_of(
    ended: Ended, expected_version: int | None = None, settlement: Settlement | None = None
) -> Result:
    """The result for an outcome."""
    if ended.status == Status.APPLIED:
        return AppliedResult(
            ended.command_id, ended.stream, ended.position, ended.version, ended.events, settlement
        )
    return _refused(
        ended.command_id, ended.status, ended.code, ended.message, ended.version, expected_version
    )


def dry_result_of(decision: Decision, expected_version: int | None) -> Result:
    """The result of a dry run."""
    command_id, version = decision.command.command_id, decision.version
    if decision.status is Status.APPLIED:
        return ValidResult(command_id, decision.command.stream, version, decision.events)
    return _refused(command_id, decision.status, decision.code, decision.message, version, expected_version)


def _refused(
    command_id: UUID, status: str, code: str | None, message: str | None, version: int, expected: int | None
) -> Result:
    if status == Status.FAILED:
        return FailedResult(command_id, code or "", message or "")
    if code == FORBIDDEN:
        return ForbiddenResult(command_id)
    if code == VERSION_CONFLICT:
        return VersionConflictResult(command_id, expected, version, message or "")
    return RejectedResult(command_id, code or "", message or "")
