"""The time on CPUs of each check, one after the other, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import process_time

from bench.measuring import Measure
from bench.processes import MeasurementFailed
from bench.servers import System
from commander.cli.auditing import Audited, collect_rarely, grouped
from commander.eventstore.audit.findings import Audit, Check, begun
from commander.eventstore.audit.log_pages import SharedPages
from commander.examples.bank import bank
from commander.streaming.audit.checks import all_checks

_SMALL = 0.5
"""Checks that take less, in microseconds for an event, are measured together."""


async def measure_each(system: System, events: int, cpu_of_servers: Callable[[], float]) -> list[Measure]:
    """cpu_of_servers: how long Postgres and NATS have been on CPUs, in seconds."""
    collect_rarely()
    shown: list[Measure] = []
    others = 0.0, 0.0
    audited = Audited(bank, system.postgres_url, system.nats_url)
    async with audited.connected("bench") as (database, nats):
        audit = await begun(bank, database)
        checks = all_checks(bank, nats)
        for group in grouped(checks, cores=2):
            before, own_before = cpu_of_servers(), process_time()
            await _run([checks[number] for number in group], audit)
            own = (process_time() - own_before) / events * 1e6
            servers = (cpu_of_servers() - before) / events * 1e6
            if own + servers < _SMALL:
                others = others[0] + own, others[1] + servers
                continue
            name = checks[group[0]].promise if len(group) == 1 else f"{len(group)} folds together"
            shown += _measures(name, own, servers)
    return shown + _measures("all others", *others)


def _measures(name: str, own: float, servers: float) -> list[Measure]:
    return [
        Measure(f"{name}: verify on CPUs", "µs/event", own),
        Measure(f"{name}: Postgres and NATS on CPUs", "µs/event", servers),
    ]


async def _run(checks: list[Check], audit: Audit) -> None:
    pages = SharedPages(audit.database, len(checks))

    async def run(check: Check) -> None:
        with pages.seat() as own:
            async for finding in check.run(replace(audit, pages=own), lambda done, all_: None):
                raise MeasurementFailed(f"the log is not sound: {finding}")

    async with asyncio.TaskGroup() as running:
        running.create_task(pages.read())
        for check in checks:
            running.create_task(run(check))
