"""f: mutations until ACCEPTED, that is until the command is on disk, beside a mutation that does nothing.

Both servers run, and the load goes to the one and the other in turn, a slice at a time: what else the machine
does meanwhile slows both alike.
"""

from __future__ import annotations

from bench.commands.plan import Bench
from bench.commands.processor import drained
from bench.filling import open_accounts
from bench.measuring import Measure
from bench.sides import SLICES, Side

ACCEPTED = "HTTP: mutations ACCEPTED"
NOTHING = "HTTP: a mutation that does nothing"


async def measure_accepting(bench: Bench) -> list[Measure]:
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, bench.plan.accounts)
        async with (
            system.api("bench.commands.noop") as noop,
            system.api("commander", "api") as api,
        ):
            nothing, accepting = Side(*noop, accounts), Side(*api, accounts)
            for _ in range(SLICES):
                for side in (nothing, accepting):
                    await side.load(bench.plan.warm_up_mutations, bench.plan.accepted_mutations)
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
