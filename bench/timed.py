"""What a process that measures prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """What a process that measures prints as JSON: how many commands or events, and how long they took."""

    commands: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.commands / self.seconds
