"""a: mutations through the whole system, every part a process, with both servers at a distance.

They come evenly paced, whatever the system does. The clients are beside the API.
"""

from __future__ import annotations

from dataclasses import replace

from bench.audit import audit_system
from bench.distance import Far
from bench.filling import open_accounts
from bench.latency.plan import Bench
from bench.load import Load, mutations
from bench.measuring import Measure
from bench.servers import System

APPLIED = "APPLIED"
WITH_IDS = "APPLIED, with ids of the clients"
PROJECTED = "PROJECTED"


def measured(kind: str, one_way_ms: int) -> str:
    """The name of a measure."""
    return f"{one_way_ms} ms each way: {kind}"


async def measure_far(bench: Bench) -> list[Measure]:
    found: list[Measure] = []
    for one_way_ms in bench.plan.one_way_ms:
        async with (
            bench.system() as system,
            Far(system.postgres_url, one_way_ms / 1000) as postgres,
            Far(system.nats_url, one_way_ms / 1000) as nats,
        ):
            far = replace(system, postgres_url=postgres.url, nats_url=nats.url)
            found += await _measure(bench, far, one_way_ms)
    return found


async def _measure(bench: Bench, system: System, one_way_ms: int) -> list[Measure]:
    plan = bench.plan
    accounts, ids = await open_accounts(system, plan.accounts)
    found: list[Measure] = []
    async with (
        system.parts("processor", "relay", "projections", "reactors"),
        system.api("commander", "api") as (port, _),
    ):
        for kind in (APPLIED, WITH_IDS, PROJECTED):
            load = Load(
                port,
                kind.partition(",")[0],
                accounts,
                plan.connections,
                plan.warm_up_mutations,
                plan.mutations,
                plan.per_second,
                given_ids=kind == WITH_IDS,
            )
            result = await mutations(load)
            ids += result.command_ids
            name = measured(kind, one_way_ms)
            found += [
                Measure(f"{name}, rate", "mutations/s", result.per_second),
                Measure(f"{name}, p50", "ms", result.percentile(50)),
                Measure(f"{name}, p99", "ms", result.percentile(99)),
            ]
        await system.until_followed()
    await audit_system(system, ids)
    return found
