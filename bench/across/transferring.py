"""b: transfers between random accounts: each is decided by the states of two streams, and appends to both.

One queue is decided by one processor and by two, a slice in turn.
"""

from __future__ import annotations

import random
from uuid import UUID, uuid4

from bench.across.auditing import audit_transfers
from bench.across.domain.accounts import Open, Transfer, bank
from bench.across.plan import Bench
from bench.across.queues import Side, decide_in_turn
from bench.across.variants import Variant
from bench.audit import audit_log, audit_outcomes
from bench.builds import NOW
from bench.filling import enqueue, submitted
from bench.measuring import Measure

OPENING_CENTS = 1_000_000
MOVED_CENTS = 100
_VARIANT = Variant("accounts:bank")


def name(processors: int) -> str:
    return f"decisions over two streams, {processors} processor{'s'[: processors > 1]}"


async def measure_transferring(bench: Bench) -> list[Measure]:
    plan = bench.plan
    accounts = [uuid4() for _ in range(plan.accounts)]
    openings = [submitted(bank, Open(one, OPENING_CENTS)) for one in accounts]
    transfers = [submitted(bank, one) for one in _transfers(accounts, plan.transfers)]
    async with NOW.system(bench, bank.name) as system:
        sides = [Side(name(number), system, _VARIANT.processor, number) for number in (1, 2)]
        await enqueue(system.nats, openings)
        await sides[0].decide(0, len(openings))
        await enqueue(system.nats, transfers)
        await decide_in_turn(sides, len(openings) + len(transfers), plan)
        measures = [measure for side in sides for measure in await side.measures()]
        await audit_log(system.database)
        await audit_outcomes(system.database, [one.command_id for one in openings + transfers])
        await audit_transfers(system.database, plan.accounts * OPENING_CENTS, plan.transfers)
    return measures


def _transfers(accounts: list[UUID], count: int) -> list[Transfer]:
    pairs = (random.sample(accounts, 2) for _ in range(count))
    return [Transfer(source, target, MOVED_CENTS) for source, target in pairs]
