"""g: from a mutation that is due to its event at a subscriber, through the whole system of processes.

First as many mutations as 100 clients get answered (APPLIED), then a quarter of that rate, evenly paced,
while somebody is subscribed. Sender and subscriber are processes of their own on one monotonic clock.
"""

from __future__ import annotations

from bench.audit import audit_system
from bench.feed.client import Watch
from bench.feed.disk import measure_disk
from bench.feed.plan import Bench
from bench.feed.subscribers import subscribed
from bench.filling import open_accounts
from bench.load import Load, mutations
from bench.measuring import Measure

FULL = "mutations APPLIED, 100 clients"
EVENT = "from mutation to event, at a quarter of that rate"
EVENT_P50 = f"{EVENT}, p50"
EVENT_P99 = f"{EVENT}, p99"

_CONNECTIONS = 100
_QUERY = "subscription { events { position ... on Event { type stream commandId } } }"


async def measure_latency(bench: Bench) -> list[Measure]:
    disk = await measure_disk(bench)
    plan = bench.plan
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, plan.accounts)
        async with (
            system.parts("processor", "relay", "projections", "reactors"),
            system.api("commander", "api") as (port, _),
        ):
            load = Load(
                port, "APPLIED", accounts, _CONNECTIONS, plan.warm_up_mutations, plan.full_load_mutations
            )
            full = await mutations(load)
            await system.until_followed()
            rate = full.per_second / 4
            count = int(rate * plan.paced_seconds)
            watch = Watch(port, _QUERY, 1, plan.warm_up_mutations + count, record=True)
            async with subscribed(watch, core=None) as subscriber:
                quarter = await mutations(
                    Load(port, "APPLIED", accounts, _CONNECTIONS, plan.warm_up_mutations, count, rate)
                )
                seen = await subscriber.seen()
            await system.until_followed()
        await audit_system(system, opened + full.command_ids + quarter.command_ids)
    paced = list(zip(quarter.command_ids, quarter.due, strict=True))[plan.warm_up_mutations :]
    milliseconds = sorted((seen.arrived[command_id] - due) * 1000 for command_id, due in paced)
    return [
        *disk,
        Measure(FULL, "mutations/s", full.per_second),
        Measure(f"{EVENT}, mutations", "mutations/s", quarter.per_second),
        Measure(EVENT_P50, "ms", _percentile(milliseconds, 50)),
        Measure(EVENT_P99, "ms", _percentile(milliseconds, 99)),
        Measure("from mutation to its answer (APPLIED), at that rate, p50", "ms", quarter.percentile(50)),
    ]


def _percentile(sorted_: list[float], percent: float) -> float:
    return sorted_[min(len(sorted_) - 1, int(len(sorted_) * percent / 100))]
