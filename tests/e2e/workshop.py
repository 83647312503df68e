"""A domain whose decider goes wrong in every way there is, until the file that MENDED names exists."""

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from commander import Domain, Rejected

workshop = Domain("workshop")


@workshop.event
@dataclass(frozen=True)
class Worked:
    job_id: UUID
    note: str = ""


@workshop.command
@dataclass(frozen=True)
class Work:
    job_id: UUID
    how: str = "well"


@workshop.aggregate(key="job_id")
@dataclass(frozen=True)
class Job:
    done: int = 0

    def work(self, command: Work) -> list[Worked]:
        if Path(os.environ["MENDED"]).exists():
            return [Worked(command.job_id)]
        made: Any = [Worked(command.job_id)]
        match command.how:
            case "raise":
                raise RuntimeError("a bug [/bold] in list[int]\n[red]second line")
            case "exit":
                raise SystemExit(3)
            case "reject":
                raise Rejected("NO")
            case "nonsense":
                made = 5
            case "half":
                made = [Worked(command.job_id), "nonsense"]
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "many":
                made = [Worked(command.job_id, "x" * 600) for _ in range(3000)]
            case "big":
                made = [Worked(command.job_id, "x" * 800_000)]
        answer: list[Worked] = made
        return answer

    def worked(self, event: Worked) -> "Job":
        return replace(self, done=self.done + 1)
