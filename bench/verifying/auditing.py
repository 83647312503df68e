"""a: `commander verify` on the bank's log, after its parts have decided, mirrored and folded all of it.

Then each of its checks, one after the other.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter
from uuid import uuid4

import psutil
from msgspec.structs import replace

from bench.filling import AMOUNT, deposits, enqueue, openings
from bench.measuring import Measure
from bench.processes import MeasurementFailed, Process, until
from bench.servers import System
from bench.verifying.each import measure_each
from bench.verifying.plan import Bench, Plan
from commander.domain.errors import Unavailable
from commander.eventstore.records import SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit

RATE = "verify"
_PART = 2_000
_TRIES = 20


async def measure_auditing(bench: Bench) -> list[Measure]:
    plan = bench.plan
    async with filled(bench) as system:
        before, own_before = _cpu_of_servers(), _cpu_of_ended()
        began = perf_counter()
        memory = await _verify(system)
        seconds = perf_counter() - began
        own, of_servers = _cpu_of_ended() - own_before, _cpu_of_servers() - before
        each = await measure_each(system, plan.events, _cpu_of_servers)
    return [
        Measure(RATE, "events/s", plan.events / seconds),
        Measure("verify: its processes on CPUs", "µs/event", own / plan.events * 1e6),
        Measure("verify: Postgres and NATS on CPUs", "µs/event", of_servers / plan.events * 1e6),
        Measure("verify: memory of its largest process", "MiB", memory / 2**20),
        *each,
    ]


@asynccontextmanager
async def filled(bench: Bench) -> AsyncIterator[System]:
    """A system whose parts have worked on all of its log and have ended."""
    plan = bench.plan
    async with bench.system() as system:
        async with system.parts("processor", "relay", "projections", "reactors"):
            await _fill(system, plan)
            await until(lambda: _has_all(system, plan.events), timeout_seconds=3600)
            await system.until_followed()
        yield system


async def _fill(system: System, plan: Plan) -> None:
    """Accounts and deposits, with digests as the API makes them."""
    accounts = [uuid4() for _ in range(plan.accounts)]
    await _enqueued(system, openings(accounts))
    type_ = bank.commands["Deposit"]
    sent = [type_.digest(Deposit(account, AMOUNT)) for account in accounts]
    commands = deposits(accounts, plan.events - plan.accounts)
    for begin in range(0, len(commands), _PART):
        part = commands[begin : begin + _PART]
        digests = (sent[(begin + n) % len(accounts)] for n in range(len(part)))
        await _enqueued(system, [replace(one, sent_digest=d) for one, d in zip(part, digests, strict=True)])


async def _enqueued(system: System, commands: list[SubmittedCommand]) -> None:
    """Puts these commands into COMMANDS, again if NATS is too slow: what is there twice is decided once."""
    for _ in range(_TRIES - 1):
        with suppress(Unavailable):
            return await enqueue(system.nats, commands)
    await enqueue(system.nats, commands)


async def _has_all(system: System, events: int) -> bool:
    return bool(await system.database.fetchval("select position = $1 from log_head", events))


async def _verify(system: System) -> int:
    """Runs it to its end. Returns the memory of its largest process. Raises MeasurementFailed."""
    log = system.folder / f"{uuid4().hex}.log"
    environment = {
        "COMMANDER_POSTGRES_URL": system.database.url,
        "COMMANDER_NATS_URL": system.nats.servers[0],
    }
    process = await Process.started([sys.executable, "-m", "commander", "verify"], environment, log)
    memory = 0
    try:
        while not process.has_ended:
            with suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid)
                for one in (family, *family.children(recursive=True)):
                    memory = max(memory, one.memory_info().rss)
            await asyncio.sleep(0.1)
    finally:
        await process.stop()
    if "\nno " in (shown := log.read_text()) or "ok  log and streams" not in shown:
        raise MeasurementFailed(f"the log is not sound:\n{shown}")
    return memory


def _cpu_of_ended() -> float:
    """How long processes that this one has started, and that have ended, were on CPUs, in seconds."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_of_servers() -> float:
    """The same of Postgres and NATS, which run, and of the processes of Postgres that have ended."""
    total = 0.0
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if one.name() in ("postgres", "nats-server"):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
