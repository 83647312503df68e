"""f: mutations until ACCEPTED, that is until the command is on disk, beside a mutation that does nothing."""

from __future__ import annotations

from uuid import UUID

from bench.commands.filling import open_accounts
from bench.commands.load import Load, LoadResult, mutations
from bench.commands.processor import drained
from bench.commands.running import Bench, Measure, System

ACCEPTED = "HTTP: mutations ACCEPTED"
NOTHING = "HTTP: a mutation that does nothing"

_CONNECTIONS = 64


async def measure_accepting(bench: Bench) -> list[Measure]:
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, bench.plan.accounts)
        nothing, cpu_nothing = await _loaded(bench, system, accounts, "bench.commands.noop")
        accepted, cpu_accepted = await _loaded(bench, system, accounts, "commander.cli", "api")
        await drained(system, opened + accepted.command_ids)
    return [
        Measure(ACCEPTED, "mutations/s", accepted.per_second),
        Measure(f"{ACCEPTED}, p50", "ms", accepted.percentile(50)),
        Measure(f"{ACCEPTED}, p99", "ms", accepted.percentile(99)),
        Measure(f"{ACCEPTED}, time on a CPU of the API's process", "µs/mutation", cpu_accepted),
        Measure(NOTHING, "mutations/s", nothing.per_second),
        Measure(f"{NOTHING}, time on a CPU of its process", "µs/mutation", cpu_nothing),
    ]


async def _loaded(
    bench: Bench, system: System, accounts: list[UUID], *server: str
) -> tuple[LoadResult, float]:
    """What came of the load, and how many microseconds of a CPU each mutation took the server."""
    plan = bench.plan
    async with system.api(*server) as (port, process):
        load = Load(port, "ACCEPTED", accounts, _CONNECTIONS, plan.warm_up_mutations, plan.accepted_mutations)
        before = process.cpu_seconds()
        result = await mutations(load)
        used = process.cpu_seconds() - before
    return result, used / len(result.command_ids) * 1e6
