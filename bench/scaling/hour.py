"""`python -m bench.scaling.hour`: an hour of load beside a held snapshot, with every part running.

Each minute is a line of JSON in the output. `--report` makes the table of the document from these lines.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
import msgspec
import psutil
import typer

from bench.filling import enqueue, submitted
from bench.measuring import measure_in_turn, percentile
from bench.pacing import due
from bench.processes import Process, until
from bench.scaling.minutes import Minute, report
from bench.scaling.visits import HouseRow, Visit, visits
from bench.servers import Servers, System
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import ended_commands
from commander.streaming.nats.chunks import RawMessage
from commander.streaming.nats.signals import PROJECTIONS, signal_subject

PARTS = ("processor", "relay", "projections", "reactors", "effects")
_DOMAIN = "bench.scaling.visits:visits"
_TABLES = "select name, table_name from projections where serving"
_DECIDED = """
    select number, position, extract(epoch from submitted_at)::float8 as submitted,
           extract(epoch from decided_at)::float8 as decided
    from commands where number > $1 and position <= $2 and reactor is null order by number
"""
_LAGS = """
    select (select min(p.position) from reactors cross join lateral checkpoints_of_reactor(name) as p),
           (select position from newest_effects()), (select position from log_head)
"""


class Hour:
    """Load on one system, sampled each minute."""

    def __init__(self, system: System, parts: dict[str, Process], output: Path, doors: int) -> None:
        self._system = system
        self._parts = parts
        self._output = output
        self._doors = [uuid4() for _ in range(doors)]
        self._house = uuid4()
        self._moves: list[tuple[int, float]] = []
        self._house_table = ""
        self._number = self._position = 0
        self._cpu: dict[str, float] = {}
        self._backends: dict[int, float] = {}

    async def listen(self) -> None:
        """Follows the checkpoint of the table `door`, once it serves."""
        tables: dict[str, str] = {}

        async def serve() -> bool:
            for part in self._parts.values():
                part.must_run()
            tables.update({name: table for name, table in await self._system.database.fetch(_TABLES)})
            return len(tables) == 2

        await until(serve, timeout_seconds=120)
        self._house_table = tables["house"]
        subject = signal_subject(self._system.nats.names, PROJECTIONS, tables["door"])
        await self._system.nats.client.subscribe_chunks(subject, self._moved)
        await self._system.nats.client.flush()

    def _moved(self, messages: list[RawMessage]) -> None:
        now = time.time()
        self._moves += [(int(message.data), now) for message in messages]

    async def load(self, seconds: float, per_second: float) -> None:
        """Submits visits at this rate for so long."""
        async for numbers in due(int(seconds * per_second), per_second):
            doors = [self._doors[n % len(self._doors)] for n in numbers]
            await enqueue(self._system.nats, [submitted(visits, Visit(door, self._house)) for door in doors])

    async def sample(self, phase: str, minutes: int) -> None:
        """Writes a line for each minute, from now on."""
        began = time.monotonic()
        await self._cpu_seconds()
        for number in range(1, minutes + 1):
            await asyncio.sleep(max(0.0, began + 60 * number - time.monotonic()))
            for part in self._parts.values():
                part.must_run()
            minute = await self._minute(phase, number)
            with self._output.open("ab") as file:
                file.write(msgspec.json.encode(minute) + b"\n")
            print(minute, flush=True)

    async def _minute(self, phase: str, number: int) -> Minute:
        database = self._system.database
        moves, self._moves = self._moves, []
        reached = moves[-1][0] if moves else self._position
        rows = await database.fetch(_DECIDED, self._number, reached)
        positions = [position for position, _ in moves]
        decided = [(row["decided"] - row["submitted"]) * 1000 for row in rows]
        projected = [
            (moves[bisect_left(positions, row["position"])][1] - row["submitted"]) * 1000 for row in rows
        ]
        cpu = await self._cpu_seconds()
        reacted, called, head = (await database.fetch(_LAGS))[0]
        events = max(1, reached - self._position)
        minute = Minute(
            phase=phase,
            number=number,
            load=os.getloadavg()[0],
            commands=len(rows),
            events=events,
            decided_p50=percentile(decided, 50),
            decided_p95=percentile(decided, 95),
            projected_p50=percentile(projected, 50),
            projected_p95=percentile(projected, 95),
            cpu={name: seconds * 1e6 / events for name, seconds in cpu.items()},
            undecided_behind=head - reached,
            reactor_behind=head - reacted,
            effect_behind=head - called,
            checkpoint_pages=await _pages(database, "select min(position) from projections"),
            row_pages=await _pages(database, _row_of(self._house_table, self._house)),
        )
        self._number = max((row["number"] for row in rows), default=self._number)
        self._position = reached
        return minute

    async def _cpu_seconds(self) -> dict[str, float]:
        """How long each part and Postgres were on a CPU since the last call."""
        now = {name: part.cpu_seconds() for name, part in self._parts.items()}
        found = {name: seconds - self._cpu.get(name, 0.0) for name, seconds in now.items()}
        self._cpu = now
        backends = await self._backend_seconds()
        found["Postgres"] = sum(
            seconds - self._backends.get(pid, 0.0 if self._backends else seconds)
            for pid, seconds in backends.items()
        )
        self._backends = backends
        return found

    async def _backend_seconds(self) -> dict[int, float]:
        rows = await self._system.database.fetch("select pid from pg_stat_activity")
        found = {}
        for (pid,) in rows:
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[pid] = times.user + times.system
        return found


def _row_of(table: str, key: UUID) -> str:
    return f"select * from \"{table}\" where {HouseRow.__dataclass_fields__['house_id'].name} = '{key}'"


async def _pages(database: Database, sql: str) -> int:
    """The pages that a query touches."""
    plan = msgspec.json.decode(await database.fetchval(f"explain (analyze, buffers, format json) {sql}"))[0]
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def _measure(
    servers: Servers, minutes: int, after: int, per_second: float, doors: int, held: bool, output: Path
) -> None:
    async with servers.system(name=visits.name) as system, AsyncExitStack() as stack:
        parts = {
            name: await stack.enter_async_context(system.part("commander", name, _DOMAIN)) for name in PARTS
        }
        hour = Hour(system, parts, output, doors)
        await hour.listen()
        dump = await asyncpg.connect(system.postgres_url)  # ours may not stay idle in a transaction
        snapshot = dump.transaction(isolation="repeatable_read", readonly=True)
        if held:
            await snapshot.start()
            await dump.fetchval("select count(*) from events")
        await asyncio.gather(
            hour.load(60 * minutes, per_second), hour.sample("held" if held else "free", minutes)
        )
        if held:
            await snapshot.rollback()
        await dump.close()
        vacuuming = await asyncpg.connect(system.postgres_url, command_timeout=600)
        await vacuuming.execute("vacuum")
        await vacuuming.close()
        if after:
            await asyncio.gather(hour.load(60 * after, per_second), hour.sample("after", after))
        print("commands with an outcome:", await ended_commands(system.database), flush=True)


def main(
    output: Annotated[Path, typer.Option(help="Where each minute is appended, as a line of JSON.")],
    minutes: Annotated[int, typer.Option(help="How long the snapshot is held.")] = 60,
    after: Annotated[int, typer.Option(help="Minutes of load after the snapshot and a VACUUM.")] = 5,
    per_second: Annotated[float, typer.Option(help="Commands a second.")] = 150,
    doors: Annotated[int, typer.Option(help="How many streams.")] = 1000,
    held: Annotated[bool, typer.Option(help="Whether a snapshot is held at all.")] = True,
    only_report: Annotated[
        bool, typer.Option("--report", help="Only print the table of the output.")
    ] = False,
) -> None:
    """Measures load beside a held snapshot, minute by minute."""
    if not only_report:

        async def measured(servers: Servers) -> Sequence[None]:
            await _measure(servers, minutes, after, per_second, doors, held, output)
            return []

        asyncio.run(measure_in_turn({"hour": measured}, 1))  # type: ignore[dict-item]
    print(report([msgspec.json.decode(line, type=Minute) for line in output.read_bytes().splitlines()]))


if __name__ == "__main__":
    typer.run(main)
