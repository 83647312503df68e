"""g: mutations until APPLIED through the whole system, every part a process, as `commander dev` runs them.

First as many as 100 clients get answered, then half that rate, evenly paced.
"""

from __future__ import annotations

from bench.audit import audit_system
from bench.commands.plan import Bench
from bench.filling import open_accounts
from bench.load import Load, mutations
from bench.measuring import Measure

RATE = "HTTP: mutations APPLIED, 100 clients"
HALF = "HTTP: mutations APPLIED, at half that rate"
HALF_P50 = f"{HALF}, p50"

_CONNECTIONS = 100


async def measure_applying(bench: Bench) -> list[Measure]:
    plan = bench.plan
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, plan.accounts)
        async with (
            system.parts("processor", "relay", "projections", "reactors"),
            system.api("commander", "api") as (port, _),
        ):
            load = Load(
                port, "APPLIED", accounts, _CONNECTIONS, plan.warm_up_mutations, plan.applied_mutations
            )
            full = await mutations(load)
            rate = full.per_second / 2
            paced = Load(
                port,
                "APPLIED",
                accounts,
                _CONNECTIONS,
                plan.warm_up_mutations,
                int(rate * plan.paced_seconds),
                rate,
            )
            half = await mutations(paced)
            await system.until_followed()
        await audit_system(system, opened + full.command_ids + half.command_ids)
    return [
        Measure(RATE, "mutations/s", full.per_second),
        Measure(f"{RATE}, p50", "ms", full.percentile(50)),
        Measure(f"{RATE}, p99", "ms", full.percentile(99)),
        Measure(HALF, "mutations/s", half.per_second),
        Measure(HALF_P50, "ms", half.percentile(50)),
        Measure(f"{HALF}, p99", "ms", half.percentile(99)),
    ]
