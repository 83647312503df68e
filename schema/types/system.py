"""The fields about the whole system, for operators: what moves, how fast, and what stands still.

The types show the dataclasses of streaming/system/figures.py, field by field.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry.types import Info

from commander.domain import BigInt
from commander.resolvers import system as resolving
from commander.schema.context import Context
from commander.schema.types.for_operators import FOR_OPERATORS
from commander.schema.types.late_projections import StoppedAt
from commander.schema.types.scalars import Position
from commander.streaming.system import figures

_PROBLEM = "What stands still, why, and what to do. Null if nothing does."
_STOPPED = "The event that it has stopped before. Null if it has not."
_RUNNING = "Whether a process does it."


def _problem() -> Any:
    return strawberry.field(description=_PROBLEM)


@strawberry.type(description="How far something that follows the log has come.")
class SystemMovement:
    position: Position = strawberry.field(description="The last position that it has handled.")
    lag: BigInt = strawberry.field(description="How many events it is behind the log.")
    per_second: float | None = strawberry.field(
        description="Positions per second. Null in the first item, and in the query if nobody watches."
    )
    seconds_left: float | None = strawberry.field(
        description="How long it still needs at this rate. Null if it does not move, or is at the end."
    )


@strawberry.type(description="An API process.")
class SystemApiProcess:
    host: str
    process: int
    submitted_per_second: float | None = strawberry.field(description="Commands that it stores per second.")
    connections: int = strawberry.field(description="WebSockets and streamed responses.")
    subscribers: int = strawberry.field(description="Subscribers of events.")
    feed_position: Position | None = strawberry.field(
        description="The last position that its subscribers were sent. Null while it has none."
    )
    feed_lag: BigInt | None = strawberry.field(description="How many events they are behind the log.")
    problem: str | None = _problem()


@strawberry.type(description="All API processes together.")
class SystemApi:
    processes: list[SystemApiProcess] = strawberry.field(description="Those that have answered.")
    submitted_per_second: float | None = strawberry.field(description="Commands that they store per second.")
    connections: int = strawberry.field(description="WebSockets and streamed responses.")
    subscribers: int = strawberry.field(description="Subscribers of events.")


@strawberry.type(description="The stream COMMANDS: commands that wait to be decided.")
class SystemQueue:
    commands: int = strawberry.field(description="How many wait. Scheduled ones do not before their time.")
    bytes: BigInt = strawberry.field(description="The size of the stream, with what is scheduled.")
    age_seconds: float = strawberry.field(description="For how long the oldest of them has waited.")
    full: bool = strawberry.field(description="Whether commands of clients are refused.")
    messages_per_second: float | None = strawberry.field(
        description="Messages that come per second. Commands that come together share one."
    )
    problem: str | None = _problem()


@strawberry.type(description="A partition of COMMANDS.")
class SystemPartition:
    partition: int = strawberry.field(description="Its number, from 0.")
    lag: BigInt = strawberry.field(description="How many messages of the whole stream it is behind.")
    holder: str | None = strawberry.field(
        description="The host and the process that decides it. Null for nobody."
    )
    problem: str | None = _problem()


@strawberry.type(description="A running processor.")
class SystemProcessor:
    host: str
    process: int
    code: str = strawberry.field(description="The fingerprint of its code.")
    partitions: int = strawberry.field(description="How many it holds.")


@strawberry.type(description="The deciding of commands. Rates are per second.")
class SystemProcessing:
    decided: BigInt = strawberry.field(description="How many commands have an outcome.")
    decided_per_second: float | None = strawberry.field(description="Outcomes of all kinds.")
    applied_per_second: float | None = strawberry.field(description="Commands that were applied.")
    rejected_per_second: float | None = strawberry.field(description="Commands that rules rejected.")
    failed_per_second: float | None = strawberry.field(description="Commands on which code failed.")
    partitions: list[SystemPartition] = strawberry.field(description="The partitions, by number.")
    processors: list[SystemProcessor] = strawberry.field(description="The processors that run.")
    problem: str | None = _problem()


@strawberry.type(description="The log.")
class SystemLog:
    position: Position
    per_second: float | None = strawberry.field(description="Events per second.")
    bytes: BigInt = strawberry.field(description="The size of the log in Postgres, with its indexes.")
    newest_at: datetime = strawberry.field(description="When the newest command was decided.")


@strawberry.type(description="The stream EVENTS, which a relay fills from the log.")
class SystemMirror:
    movement: SystemMovement = strawberry.field(description="How far it has come.")
    running: bool = strawberry.field(description=_RUNNING)
    problem: str | None = _problem()


@strawberry.type(description="A table of a projection.")
class SystemProjection:
    name: str
    table: str
    code: str = strawberry.field(description="The fingerprint of the code that made it.")
    state: str = strawberry.field(description="BUILDING or BUILT.")
    serving: bool = strawberry.field(description="Whether queries read it.")
    served_at: datetime | None = strawberry.field(description="When it began to serve. Null if it never has.")
    inline: bool = strawberry.field(description="Whether its rows are stored with the events.")
    kept_up: bool = strawberry.field(description="Whether a process keeps it up with the log.")
    movement: SystemMovement = strawberry.field(description="How far it has come.")
    stopped: StoppedAt | None = strawberry.field(description=_STOPPED)
    problem: str | None = _problem()


@strawberry.type(description="A reactor.")
class SystemReactor:
    name: str
    movement: SystemMovement = strawberry.field(description="How far it has come.")
    partitions: int = strawberry.field(description="Into how many partitions its keys are divided.")
    held: int = strawberry.field(description="How many of them a process handles.")
    parked: int = strawberry.field(description="How many keys wait because an event of theirs failed.")
    rebuilding: bool = strawberry.field(description="Whether its states are made again from the log.")
    stopped: StoppedAt | None = strawberry.field(description=_STOPPED)
    problem: str | None = _problem()


@strawberry.type(description="An effect.")
class SystemEffect:
    name: str
    movement: SystemMovement = strawberry.field(description="How far it has come.")
    running: bool = strawberry.field(description=_RUNNING)
    failed: int = strawberry.field(description="How many of its calls failed for good.")
    problem: str | None = _problem()


@strawberry.type(description="A recurring command.")
class SystemSchedule:
    name: str
    cron: str = strawberry.field(description="When it is due: a cron expression, in UTC.")
    next_at: datetime | None = strawberry.field(description="The tick that is set. Null if none is.")
    commands: int = strawberry.field(description="How many commands it sends then.")
    problem: str | None = _problem()


@strawberry.type(description="Failed commands that nobody has retried or dropped.")
class SystemDeadLetters:
    count: int = strawberry.field(description="How many there are.")
    newest_at: datetime | None = strawberry.field(
        description="When the newest one failed. Null if there is none."
    )


@strawberry.type(
    description="The whole system at one time. Rates are per second since the last item; null in the first."
)
class System:
    at: datetime
    outage: str | None = strawberry.field(
        description="Why nothing newer is known. Null if the figures are of now."
    )
    problems: list[str] = strawberry.field(
        description="All that stands still, each with its name in front. Empty if nothing does."
    )
    api: SystemApi = strawberry.field(description="The processes that clients reach.")
    queue: SystemQueue = strawberry.field(description="What waits to be decided.")
    processing: SystemProcessing = strawberry.field(description="The deciding of commands.")
    log: SystemLog = strawberry.field(description="All events.")
    mirror: SystemMirror = strawberry.field(description="The log on JetStream.")
    projections: list[SystemProjection] = strawberry.field(description="The tables of all projections.")
    reactors: list[SystemReactor] = strawberry.field(
        description="The reactors of the domain, and others that run."
    )
    effects: list[SystemEffect] = strawberry.field(description="The effects of the domain.")
    schedules: list[SystemSchedule] = strawberry.field(description="The recurring commands of the domain.")
    dead_letters: SystemDeadLetters = strawberry.field(description="What failed and waits for somebody.")


def _shown(found: figures.System) -> System:
    """The figures as they are: their fields have the names of those of the types."""
    return cast(System, found)


def system_fields() -> tuple[list[Any], list[Any]]:
    """The fields (of Query, of Subscription) about the whole system."""

    async def now(info: Info[Context, None]) -> System:
        return _shown(await resolving.system_now(info.context))

    async def followed(info: Info[Context, None]) -> AsyncIterator[System]:
        async with aclosing(resolving.follow_system(info.context)) as items:
            async for found in items:
                yield _shown(found)

    description = "The whole system: what moves, how fast, and what stands still and why."
    return (
        [
            strawberry.field(
                now, name="system", metadata=FOR_OPERATORS, description=f"{description} As of now."
            )
        ],
        [
            strawberry.subscription(
                followed,
                name="system",
                metadata=FOR_OPERATORS,
                description=f"{description} Once a second.",
            )
        ],
    )
