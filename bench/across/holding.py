"""c: seats that guests hold: each is decided by a decision model, the events with the tag of its concert."""

from __future__ import annotations

import random
from uuid import uuid4

from bench.across.auditing import audit_seats
from bench.across.domain.concerts import Hold, concerts
from bench.across.plan import Bench
from bench.across.queues import Side, decide_in_turn
from bench.across.variants import Variant
from bench.audit import audit_log, audit_outcomes
from bench.builds import NOW
from bench.filling import enqueue, submitted
from bench.measuring import Measure

NAME = "decisions by a decision model"
_VARIANT = Variant("concerts:concerts")


async def measure_holding(bench: Bench) -> list[Measure]:
    plan = bench.plan
    guests, places = ([uuid4() for _ in range(count)] for count in (plan.guests, plan.concerts))
    holds = [
        submitted(concerts, Hold(random.choice(guests), random.choice(places))) for _ in range(plan.holds)
    ]
    async with NOW.system(bench, concerts.name) as system:
        side = Side(NAME, system, _VARIANT.processor)
        await enqueue(system.nats, holds)
        await decide_in_turn([side], len(holds), plan)
        await audit_log(system.database)
        await audit_outcomes(system.database, [one.command_id for one in holds])
        await audit_seats(system.database, plan.holds)
        return await side.measures()
