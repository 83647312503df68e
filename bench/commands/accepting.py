"""f: mutations until ACCEPTED, that is until the command is on disk, beside a mutation that does nothing.

Both servers run, and the load goes to the one and the other in turn, a slice at a time: what else the machine
does meanwhile slows both alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from bench.commands.plan import Bench, Plan
from bench.commands.processor import drained
from bench.filling import open_accounts
from bench.load import Load, LoadResult, mutations
from bench.measuring import Measure
from bench.processes import Process

ACCEPTED = "HTTP: mutations ACCEPTED"
NOTHING = "HTTP: a mutation that does nothing"

_CONNECTIONS = 64
_SLICES = 6


async def measure_accepting(bench: Bench) -> list[Measure]:
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, bench.plan.accounts)
        async with (
            system.api("bench.commands.noop") as noop,
            system.api("commander", "api") as api,
        ):
            nothing, accepting = _Side(*noop), _Side(*api)
            for _ in range(_SLICES):
                await nothing.load(bench.plan, accounts)
                await accepting.load(bench.plan, accounts)
        accepted = accepting.total()
        await drained(system, opened + accepted.command_ids)
    return [
        Measure(ACCEPTED, "mutations/s", accepted.per_second),
        Measure(f"{ACCEPTED}, p50", "ms", accepted.percentile(50)),
        Measure(f"{ACCEPTED}, p99", "ms", accepted.percentile(99)),
        Measure(f"{ACCEPTED}, time on a CPU of the API's process", "µs/mutation", accepting.microseconds()),
        Measure(NOTHING, "mutations/s", nothing.total().per_second),
        Measure(f"{NOTHING}, time on a CPU of its process", "µs/mutation", nothing.microseconds()),
    ]


@dataclass
class _Side:
    """One of the two servers, and what came of its slices of the load."""

    port: int
    process: Process
    cpu_seconds: float = 0
    slices: list[LoadResult] = field(default_factory=list)

    async def load(self, plan: Plan, accounts: list[UUID]) -> None:
        warm_up, counted = plan.warm_up_mutations // _SLICES, plan.accepted_mutations // _SLICES
        before = self.process.cpu_seconds()
        slice_ = await mutations(Load(self.port, "ACCEPTED", accounts, _CONNECTIONS, warm_up, counted))
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
