"""The figures of a system at one time.

Rates are per second, between this measurement and the one before; None in the first one. A problem is a
sentence about what stands still, why, and what to do; None if nothing does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from commander.eventstore.projections.folding import Stopped


@dataclass(frozen=True)
class Movement:
    """How far something has come in the log. lag: in events. seconds_left: at this rate; None if unknown."""

    position: int
    lag: int
    per_second: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class ApiProcess:
    """An API process. feed_position, feed_lag: of its feed; None while nobody follows events there."""

    host: str
    process: int
    submitted_per_second: float | None
    connections: int
    subscribers: int
    feed_position: int | None
    feed_lag: int | None
    problem: str | None


@dataclass(frozen=True)
class Api:
    """All API processes that answer."""

    processes: Sequence[ApiProcess]

    @property
    def submitted_per_second(self) -> float | None:
        known = [one.submitted_per_second for one in self.processes if one.submitted_per_second is not None]
        return sum(known) if known else None

    @property
    def connections(self) -> int:
        return sum(one.connections for one in self.processes)

    @property
    def subscribers(self) -> int:
        return sum(one.subscribers for one in self.processes)


@dataclass(frozen=True)
class Queue:
    """The stream COMMANDS. commands: those that wait. messages_per_second: those that come."""

    commands: int
    bytes: int
    age_seconds: float
    full: bool
    messages_per_second: float | None
    problem: str | None


@dataclass(frozen=True)
class Partition:
    """A partition of COMMANDS. lag: in messages of all partitions. holder: who decides it, if anybody."""

    partition: int
    lag: int
    holder: str | None
    problem: str | None


@dataclass(frozen=True)
class ProcessorProcess:
    """A running processor. code: its fingerprint. partitions: how many it holds."""

    host: str
    process: int
    code: str
    partitions: int


@dataclass(frozen=True)
class Processing:
    """The deciding of commands. decided: how many have an outcome."""

    decided: int
    decided_per_second: float | None
    applied_per_second: float | None
    rejected_per_second: float | None
    failed_per_second: float | None
    partitions: Sequence[Partition]
    processors: Sequence[ProcessorProcess]
    problem: str | None


@dataclass(frozen=True)
class Log:
    """The log. bytes: of its table with its indexes. newest_at: of the newest outcome."""

    position: int
    per_second: float | None
    bytes: int
    newest_at: datetime


@dataclass(frozen=True)
class Mirror:
    """The stream EVENTS. running: whether a relay runs."""

    movement: Movement
    running: bool
    problem: str | None


@dataclass(frozen=True)
class ProjectionTable:
    """A table of a projection. kept_up: whether a process keeps it up with the log."""

    name: str
    table: str
    code: str
    state: str
    serving: bool
    served_at: datetime | None
    inline: bool
    kept_up: bool
    movement: Movement
    stopped: Stopped | None
    problem: str | None


@dataclass(frozen=True)
class Reactor:
    """A reactor. held: how many of its partitions somebody handles.

    rebuilding: whether its states are made again from the log.
    """

    name: str
    movement: Movement
    partitions: int
    held: int
    parked: int
    rebuilding: bool
    stopped: Stopped | None
    problem: str | None


@dataclass(frozen=True)
class Effect:
    """An effect. failed: its calls that failed for good. running: whether a process calls it."""

    name: str
    movement: Movement
    running: bool
    failed: int
    problem: str | None


@dataclass(frozen=True)
class Schedule:
    """A recurring command. next_at: the tick that is set; None if none is. commands: how many it sends."""

    name: str
    cron: str
    next_at: datetime | None
    commands: int
    problem: str | None


@dataclass(frozen=True)
class DeadLetters:
    """Failed commands that nobody has retried or dropped."""

    count: int
    newest_at: datetime | None


@dataclass(frozen=True)
class System:
    """outage: why nothing newer is known; None if the figures are of now."""

    at: datetime
    outage: str | None
    api: Api
    queue: Queue
    processing: Processing
    log: Log
    mirror: Mirror
    projections: Sequence[ProjectionTable]
    reactors: Sequence[Reactor]
    effects: Sequence[Effect]
    schedules: Sequence[Schedule]
    dead_letters: DeadLetters

    @property
    def problems(self) -> Sequence[str]:
        """All that stands still, each with its name in front."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.outage is not None:
            yield self.outage
        yield from _named((f"API {one.host} {one.process}", one.problem) for one in self.api.processes)
        yield from _named([("queue", self.queue.problem), ("processing", self.processing.problem)])
        yield from _named([("mirror", self.mirror.problem)])
        yield from _named((f"projection {one.name}", one.problem) for one in self.projections)
        yield from _named((f"reactor {one.name}", one.problem) for one in self.reactors)
        yield from _named((f"effect {one.name}", one.problem) for one in self.effects)
        yield from _named((f"schedule {one.name}", one.problem) for one in self.schedules)


def _named(found: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    return (f"{name}: {problem}" for name, problem in found if problem is not None)
