"""a: `commander verify` on the bank's log, after its parts have decided, mirrored and folded all of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from uuid import uuid4

import psutil
from msgspec.structs import replace

from bench.filling import AMOUNT, deposits, enqueue, openings
from bench.measuring import Measure
from bench.processes import MeasurementFailed, Process, until
from bench.servers import System
from bench.verifying.plan import Bench, Plan
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit

RATE = "verify"


async def measure_auditing(bench: Bench) -> list[Measure]:
    plan = bench.plan
    async with filled(bench) as system:
        servers = _servers()
        before = _cpu_seconds(servers)
        began = perf_counter()
        process, memory = await _verify(system)
        seconds = perf_counter() - began
        own, of_servers = process, _cpu_seconds(servers) - before
    return [
        Measure(RATE, "events/s", plan.events / seconds),
        Measure("verify: its process on a CPU", "µs/event", own / plan.events * 1e6),
        Measure("verify: Postgres and NATS on a CPU", "µs/event", of_servers / plan.events * 1e6),
        Measure("verify: memory of its process", "MiB", memory / 2**20),
    ]


@asynccontextmanager
async def filled(bench: Bench) -> AsyncIterator[System]:
    """A system whose parts have worked on all of its log and have ended."""
    plan = bench.plan
    async with bench.system() as system:
        async with system.parts("processor", "relay", "projections", "reactors"):
            await _fill(system, plan)
            await until(lambda: _has_all(system, plan.events), timeout_seconds=300)
            await system.until_followed()
        yield system


async def _fill(system: System, plan: Plan) -> None:
    """Accounts and deposits, with digests as the API makes them."""
    accounts = [uuid4() for _ in range(plan.accounts)]
    await enqueue(system.nats, openings(accounts))
    type_ = bank.commands["Deposit"]
    sent = [type_.digest(Deposit(account, AMOUNT)) for account in accounts]
    commands = deposits(accounts, plan.events - plan.accounts)
    for begin in range(0, len(commands), 10_000):
        part = commands[begin : begin + 10_000]
        digests = (sent[(begin + n) % len(accounts)] for n in range(len(part)))
        await enqueue(
            system.nats, [replace(one, sent_digest=d) for one, d in zip(part, digests, strict=True)]
        )


async def _has_all(system: System, events: int) -> bool:
    return bool(await system.database.fetchval("select position = $1 from log_head", events))


async def _verify(system: System) -> tuple[float, int]:
    """Runs it to its end. Returns its CPU seconds, and its largest memory. Raises MeasurementFailed."""
    log = system.folder / f"{uuid4().hex}.log"
    environment = {
        "COMMANDER_POSTGRES_URL": system.database.url,
        "COMMANDER_NATS_URL": system.nats.servers[0],
    }
    process = await Process.started([sys.executable, "-m", "commander", "verify"], environment, log)
    used, memory = 0.0, 0
    try:
        while not process.has_ended:
            try:
                used, memory = process.cpu_seconds(), max(memory, process.memory())
            except psutil.NoSuchProcess:
                break
            await asyncio.sleep(0.02)
    finally:
        await process.stop()
    if "\nno " in (shown := log.read_text()) or "ok  log and streams" not in shown:
        raise MeasurementFailed(f"the log is not sound:\n{shown}")
    return used, memory


def _servers() -> list[psutil.Process]:
    """The servers that this process has started, and theirs."""
    return psutil.Process().children(recursive=True)


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for one in {*processes, *_servers()}:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        if one.name() in ("postgres", "nats-server"):
            total += times.user + times.system + times.children_user + times.children_system
    return total
