"""Several servers under one load, a slice in turn: what else the machine does meanwhile slows all alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from bench.load import Load, LoadResult, mutations
from bench.processes import Process

SLICES = 20
"""How many turns each server gets. Short ones: what slows the machine for seconds is spread over all."""
_CONNECTIONS = 64


@dataclass
class Side:
    """One of the servers, and what came of its slices of the load: mutations until ACCEPTED.

    accounts: the deposits go to them in turn. tokens: as in Load.
    """

    port: int
    process: Process
    accounts: list[UUID]
    tokens: list[str] = field(default_factory=list)
    cpu_seconds: float = 0
    slices: list[LoadResult] = field(default_factory=list)

    async def load(self, warm_up: int, counted: int) -> None:
        """One slice of this many mutations: of all slices together."""
        warm_up, counted = warm_up // SLICES, counted // SLICES
        before = self.process.cpu_seconds()
        load = Load(self.port, "ACCEPTED", self.accounts, _CONNECTIONS, warm_up, counted, tokens=self.tokens)
        slice_ = await mutations(load)
        self.cpu_seconds += self.process.cpu_seconds() - before
        self.slices.append(slice_)

    def total(self) -> LoadResult:
        return LoadResult(
            sum(s.seconds for s in self.slices),
            sorted(ms for s in self.slices for ms in s.milliseconds),
            [command_id for s in self.slices for command_id in s.command_ids],
            [due for s in self.slices for due in s.due],
        )

    def microseconds(self) -> float:
        """How long each mutation kept the server on a CPU."""
        return self.cpu_seconds / len(self.total().command_ids) * 1e6
