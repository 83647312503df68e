"""a: a projection's table is filled from the whole log by one `commander projections` process."""

from __future__ import annotations

from decimal import Decimal

from bench.measuring import Measure
from bench.processes import MeasurementFailed, until
from bench.projections.history import IN, OUT, database_with_money
from bench.projections.plan import Bench
from bench.servers import System

RATE = "rebuild"

_SECONDS = """select extract(epoch from built_at - created_at)::float8 from projections
              where name = 'account' and serving"""


async def measure_rebuild(bench: Bench) -> list[Measure]:
    plan = bench.plan
    template = await database_with_money(bench, plan.events, plan.accounts)
    async with bench.system(template) as system, system.part("commander", "projections") as process:

        async def built() -> bool:
            process.must_run()
            return await system.database.fetchval(_SECONDS) is not None

        await until(built, timeout_seconds=600)
        seconds = await system.database.fetchval(_SECONDS)
        used = process.cpu_seconds()
        await _check(system, plan.events, plan.accounts)
    return [
        Measure(RATE, "events/s", plan.events / seconds),
        Measure("rebuild: its process on a CPU", "µs/event", used / plan.events * 1e6),
    ]


async def _check(system: System, events: int, accounts: int) -> None:
    """All rows are there, and the money in them is that of the events. Raises MeasurementFailed."""
    into = events // 2 - accounts // 2
    out = events - accounts - into
    name = await system.database.fetchval(
        "select table_name from projections where name = 'account' and serving"
    )
    found = await system.database.fetchrow(f'select count(*), sum(balance) from "{name}"')
    assert found is not None
    expected = (accounts, into * IN - out * OUT)
    if (found[0], Decimal(found[1])) != expected:
        raise MeasurementFailed(f"{tuple(found)} rows and money, not {expected}")
