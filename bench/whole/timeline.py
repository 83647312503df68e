"""What users, watchers and the system did, on one clock: the monotonic one of the machine, in seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A mutation that has its outcome. due: when it was to be sent. tries: how often it was sent."""

    due: float
    at: float
    mutation: str
    outcome: str
    tries: int

    @property
    def milliseconds(self) -> float:
        """How long its user waited, from when it was due: waiting for a connection is in it."""
        return (self.at - self.due) * 1000


class UsersTick(msgspec.Struct, frozen=True):
    """The newest answers of the users. waiting: mutations that are due and have no outcome."""

    at: float
    answers: list[Answer]
    waiting: int


class WatchersTick(msgspec.Struct, frozen=True):
    """What the watchers received since the last tick: events, and how many ms after they were recorded.

    watching: how many are connected. reconnects: since the beginning.
    """

    at: float
    delivered: int
    milliseconds: list[float]
    watching: int
    reconnects: int


class Used(msgspec.Struct, frozen=True):
    """What a process used. cpu: cores, since the sample before. memory: bytes; a shared page by its share."""

    cpu: float
    memory: int


class Sample(msgspec.Struct, frozen=True):
    """The system at a time. behind: what each part has yet to do, in messages or events. stored: bytes."""

    at: float
    head: int
    behind: dict[str, int]
    used: dict[str, Used]
    stored: dict[str, int]


class Mark(msgspec.Struct, frozen=True):
    """Something that happened: the beginning of a stage, a fault. kind: stage, kill, back."""

    at: float
    kind: str
    what: str


@dataclass
class Timeline:
    """All of a run, in the order in which it became known."""

    began: float = field(default_factory=time.perf_counter)
    answers: list[Answer] = field(default_factory=list)
    delivered: list[WatchersTick] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    waiting: int = 0

    def mark(self, kind: str, what: str) -> Mark:
        made = Mark(time.perf_counter(), kind, what)
        self.marks.append(made)
        return made

    def users(self, tick: UsersTick) -> None:
        self.answers += tick.answers
        self.waiting = tick.waiting

    def watchers(self, tick: WatchersTick) -> None:
        self.delivered.append(tick)

    def answers_due(self, begin: float, end: float) -> list[Answer]:
        """The mutations that were due in this time and have their outcome."""
        return [one for one in self.answers if begin <= one.due < end]
