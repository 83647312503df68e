"""a: commands that each claim a unique key, beside the same without unique keys, now and before.

First members register, each in a stream of its own. Then some change their address again and again: each
command claims a key, and gives one up.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

from bench.across.auditing import audit_addresses
from bench.across.domain.members import ChangeEmail, Register, members
from bench.across.plan import Bench, Plan
from bench.across.queues import Side, decide_in_turn
from bench.across.variants import Variant
from bench.audit import audit_log, audit_outcomes
from bench.filling import enqueue, submitted
from bench.measuring import Measure
from bench.servers import System
from commander.eventstore.records import SubmittedCommand

KINDS = ("register", "change")


def name(kind: str, variant: Variant) -> str:
    return f"members {kind}, {variant.name}"


async def measure_claiming(variants: Sequence[Variant], bench: Bench) -> list[Measure]:
    measures: list[Measure] = []
    queued: list[SubmittedCommand] = []
    async with AsyncExitStack() as stack:
        systems = [await stack.enter_async_context(one.build.system(bench, members.name)) for one in variants]
        for kind, commands in zip(KINDS, _commands(bench.plan), strict=True):
            queued += commands
            for system in systems:
                await enqueue(system.nats, commands)
            sides = [
                Side(name(kind, one), system, one.processor)
                for one, system in zip(variants, systems, strict=True)
            ]
            await decide_in_turn(sides, len(queued), bench.plan)
            for side in sides:
                measures += await side.measures()
        for variant, system in zip(variants, systems, strict=True):
            await _audit(variant, system, queued)
    return measures


def _commands(plan: Plan) -> tuple[list[SubmittedCommand], list[SubmittedCommand]]:
    """Of each kind. All systems get the same."""
    ids = [uuid4() for _ in range(plan.registered)]
    registering = [Register(one, f"{one}@example.com") for one in ids]
    changing = [
        ChangeEmail(ids[n % plan.changing], f"{n}.{ids[n % plan.changing]}@example.com")
        for n in range(plan.changed)
    ]
    return [submitted(members, one) for one in registering], [submitted(members, one) for one in changing]


async def _audit(variant: Variant, system: System, queued: Sequence[SubmittedCommand]) -> None:
    await audit_log(system.database)
    await audit_outcomes(system.database, [one.command_id for one in queued])
    await audit_addresses(system.database, indexed=variant.unique)
