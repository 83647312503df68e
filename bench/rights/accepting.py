"""a: mutations until ACCEPTED, with rules and without. All servers run, and get the load a slice in turn.

The rule needs the state of the account. So it is decided with the command, and what it sees of the sender
travels and is stored with the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID, uuid4

from bench.audit import audit_log, audit_outcomes
from bench.filling import enqueue, submitted
from bench.measuring import Measure
from bench.processes import until
from bench.rights.plan import Bench
from bench.rights.variants import Variant
from bench.rights.viewers import subject_of, tokens
from bench.servers import System
from bench.sides import SLICES, Side
from commander.eventstore.log.event_log import head_position
from commander.examples.bank import bank
from commander.examples.bank.messages import OpenAccount


def accepted(variant: Variant) -> str:
    """The name of the rate."""
    return f"mutations ACCEPTED, {variant.name}"


@dataclass(frozen=True)
class _Loaded:
    variant: Variant
    system: System
    opened: list[UUID]
    side: Side


async def measure_accepting(variants: Sequence[Variant], bench: Bench) -> list[Measure]:
    """Afterwards every command must be applied: the rules allow each."""
    async with AsyncExitStack() as stack:
        loaded = [await _loaded(variant, bench, stack) for variant in variants]
        for number in range(SLICES):
            first = number % len(loaded)
            for one in loaded[first:] + loaded[:first]:
                await one.side.load(bench.plan.warm_up_mutations, bench.plan.accepted_mutations)
        for one in loaded:
            await _drained(one)
        return [measure for one in loaded for measure in _measures(one)]


async def _loaded(variant: Variant, bench: Bench, stack: AsyncExitStack) -> _Loaded:
    system = await stack.enter_async_context(variant.system(bench))
    accounts = [uuid4() for _ in range(bench.plan.accounts)]
    owned = [OpenAccount(subject_of(n), account) for n, account in enumerate(accounts)]
    opened = [submitted(bank, command) for command in owned]
    await enqueue(system.nats, opened)
    api = await stack.enter_async_context(variant.api(system))
    side = Side(api.port, api.process, accounts, tokens(len(accounts)) if variant.ruled else [])
    return _Loaded(variant, system, [command.command_id for command in opened], side)


async def _drained(loaded: _Loaded) -> None:
    ids = loaded.opened + loaded.side.total().command_ids
    database = loaded.system.database

    async def decided() -> bool:
        process.must_run()
        return await head_position(database) >= len(ids)

    async with loaded.variant.part(loaded.system, "processor") as process:
        await until(decided, timeout_seconds=300)
    await audit_log(database)
    await audit_outcomes(database, ids)


def _measures(loaded: _Loaded) -> list[Measure]:
    name, total = accepted(loaded.variant), loaded.side.total()
    return [
        Measure(name, "mutations/s", total.per_second),
        Measure(f"{name}, p50", "ms", total.percentile(50)),
        Measure(f"{name}, p99", "ms", total.percentile(99)),
        Measure(f"{name}, time on a CPU of the API's process", "µs/mutation", loaded.side.microseconds()),
    ]
