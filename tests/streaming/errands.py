"""A domain whose reactors send commands now, soon and some day; with deadlines, and with a tick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from commander import Deadline, Domain, Later

errands = Domain("errands")

SOON = timedelta(seconds=2)
SOME_DAY = timedelta(days=300)


@errands.command
@dataclass(frozen=True)
class Ask:
    errand_id: UUID


@errands.command
@dataclass(frozen=True)
class Run:
    errand_id: UUID
    why: str


@errands.event
@dataclass(frozen=True)
class Asked:
    errand_id: UUID


@errands.event
@dataclass(frozen=True)
class Ran:
    errand_id: UUID
    why: str


@errands.aggregate(key="errand_id")
@dataclass(frozen=True)
class Errand:
    runs: int = 0

    def ask(self, command: Ask) -> Asked:
        return Asked(command.errand_id)

    def run(self, command: Run) -> Ran:
        return Ran(command.errand_id, command.why)

    def asked(self, event: Asked) -> Errand:
        return self

    def ran(self, event: Ran) -> Errand:
        return Errand(self.runs + 1)


@errands.reactor(begins="beginning")
class Runner:
    def asked(self, event: Asked) -> Iterator[Run | Later]:
        yield Run(event.errand_id, "now")
        yield Later(Run(event.errand_id, "soon"), after=SOON)
        yield Later(Run(event.errand_id, "some day"), after=SOME_DAY)


@errands.process(key="errand_id", starts=(Asked,), begins="beginning")
@dataclass(frozen=True)
class Patience:
    asked_for: bool = False

    def asked(self, event: Asked) -> Iterator[Patience | Run | Deadline]:
        yield Patience(True)
        yield Run(event.errand_id, "started")
        yield Deadline(Run(event.errand_id, "out of patience"), after=SOON)
        yield Deadline(Run(event.errand_id, "out of all patience"), after=SOME_DAY)


@errands.every("0 0 1 1 *")
def yearly(tick: datetime) -> Run:
    return Run(UUID(int=tick.year), "a new year")
