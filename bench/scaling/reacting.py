"""c: the same with processes of a reactor: a log that it has still to react to, and no processor.

What is done is taken from its checkpoints: the mean of its partitions, over which its keys are spread evenly.
Then a processor decides what the reactor has sent: one command for each event, in the order of the events.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress

from bench.audit import BrokenInvariant, audit_log
from bench.histories import database_with
from bench.measuring import Measure
from bench.processes import MeasurementFailed, Process, until
from bench.scaling.doors import doors
from bench.scaling.plan import Bench
from bench.scaling.queues import clock, until_decided, until_shared
from bench.scaling.windows import Phases, measures_of
from bench.servers import PARTITIONS, System
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock

NAME = "processes of a reactor, a long log"

_DOMAIN = "bench.scaling.doors:doors"
_SAMPLE_SECONDS = 0.05
_KNOCKS_PER_DOOR = 20
_FILL = f"""
    insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                        recorded_at)
    select n, 'door-' || door, 1 + (n - 1) / doors, 'Knocked', 1, json_build_object('door_id', door), id, id,
           now()
    from (select n, doors, gen_random_uuid() as id, md5(((n - 1) % doors)::text)::uuid as door
          from generate_series(1, $1::int) as n,
               lateral (select greatest(1, $1::int / {_KNOCKS_PER_DOOR}) as doors) as counted) as knock
"""
_DONE = """
    select extract(epoch from clock_timestamp())::float8, coalesce(sum(position), 0)::float8 / $1
    from reactor_partitions
"""
_UNLIKE = """
    select count(*) from events as knocked
    left join events as opened on opened.causation_position = knocked.position and opened.type = 'Opened'
    where knocked.type = 'Knocked' and (opened.position is null or opened.stream <> knocked.stream)
"""


async def measure_reacting(bench: Bench) -> list[Measure]:
    plan, seconds = bench.plan, bench.plan.phase_seconds
    template = await database_with(bench, f"bench_doors_{plan.knocked}", _FILL, plan.knocked)
    async with bench.system(template, doors.name) as system:
        samples: list[tuple[float, float]] = []
        sampling = asyncio.create_task(_sample(system.database, samples))
        try:
            async with _reactors(system) as first:
                await until(lambda: _begun(system.database, first), timeout_seconds=60)
                begin = await clock(system.database)
                await asyncio.sleep(seconds)
                joining = await clock(system.database)
                async with _reactors(system) as second:
                    await until_shared(system.database, [first, second], Lock.REACTOR)
                    joined = await clock(system.database)
                    await asyncio.sleep(seconds)
                    leaving = await clock(system.database)
                await until_shared(system.database, [first], Lock.REACTOR)
                left = await clock(system.database)
                await asyncio.sleep(seconds)
                end = await clock(system.database)
                await until(lambda: _is_done(system.database, first, plan.knocked), timeout_seconds=600)
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling
        if _done_at(samples, plan.knocked) < end:
            raise MeasurementFailed("the reactor was done before the end: the log must be longer")
        await _audit(system, plan.knocked)
    return measures_of(NAME, "events", samples, Phases(begin, joining, joined, leaving, left, end))


def _reactors(system: System) -> AbstractAsyncContextManager[Process]:
    return system.part("commander", "reactors", _DOMAIN)


async def _sample(database: Database, samples: list[tuple[float, float]]) -> None:
    """Notes how many events the reactor has handled, until cancelled."""
    while True:
        samples.append(await _now(database))
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _now(database: Database) -> tuple[float, float]:
    row = await database.fetchrow(_DONE, PARTITIONS)
    assert row is not None, "an aggregate has a row"
    return row[0], row[1]


async def _begun(database: Database, process: Process) -> bool:
    process.must_run()
    return (await _now(database))[1] > 0


async def _is_done(database: Database, process: Process, events: int) -> bool:
    process.must_run()
    return (await _now(database))[1] >= events


def _done_at(samples: list[tuple[float, float]], events: int) -> float:
    return next((at for at, done in samples if done >= events), float("inf"))


async def _audit(system: System, knocks: int) -> None:
    """Each event led to one command, and that to one event of the same door."""
    async with system.part("commander", "processor", _DOMAIN) as process:
        await until_decided(system.database, [process], knocks)
    await audit_log(system.database)
    ended = await system.database.fetchval("select count(*) from commands where status = 'APPLIED'")
    unlike = await system.database.fetchval(_UNLIKE)
    if ended != knocks or unlike:
        raise BrokenInvariant(
            f"{knocks} events, {ended} reactions applied, {unlike} of them not as they should"
        )
