"""`commander repair`: shows what it would do about what `commander verify` finds; --apply does it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from commander.cli.auditing import Audited, audit
from commander.cli.progress import LongWork
from commander.cli.verifying import VerificationFailed, audited_with, show
from commander.domain import Domain
from commander.eventstore.audit.findings import Finding, Mend
from commander.settings import read_settings
from commander.streaming.audit.repairing import LOG, NotRepaired, System, repair, repairs_of, restorable

_SHOWN = 10


def run_repair(domain: Domain, *, apply: bool, as_json: bool) -> None:
    """Verifies, shows the repairs and what is lost, and with `apply` does them and verifies again.

    Raises VerificationFailed if something is left, SettingsError, PartRuns, Unavailable.
    """
    settings = read_settings()
    audited = audited_with(domain, settings)
    go_on = "what is repaired stays so: run it again for the rest" if apply else "nothing was changed"
    with LongWork("repair", go_on, as_json=as_json) as work:
        found = audit(work, audited)
        if not apply:
            asyncio.run(_plan(work, audited, repairs_of(found)))
        for stage in (True, False) if apply else ():  # the log first, then what is made from it
            wanted = {mend: names for mend, names in repairs_of(found).items() if (mend in LOG) is stage}
            if wanted:
                asyncio.run(_apply(work, audited, wanted, settings.nats_replicas))
                found = audit(work, audited)
        _end(work, found, apply=apply)


def _end(work: LongWork, found: Sequence[Finding], *, apply: bool) -> None:
    if found:
        show(work, found)
        left = " left" if apply else "; nothing was changed, --apply does it"
        raise VerificationFailed(f"{len(found)} findings{left}")


async def _plan(work: LongWork, audited: Audited, wanted: Mapping[Mend, Sequence[str]]) -> None:
    async with audited.connected("commander repair") as (database, nats):
        system = System(audited.domain, database, nats)
        for mend, subjects in wanted.items():
            work.say(f"would {_described(mend, subjects)}")
            for position in subjects if mend is Mend.EVENT else ():
                try:
                    await restorable(system, int(position))
                except NotRepaired as error:
                    work.say(f"    no: {error}")


async def _apply(
    work: LongWork, audited: Audited, wanted: Mapping[Mend, Sequence[str]], replicas: int
) -> None:
    async with audited.connected("commander repair") as (database, nats):
        system = System(audited.domain, database, nats, replicas)
        for mend, subjects in wanted.items():
            work.say(_described(mend, subjects))
            async with work.step(str(mend)).shown():
                problems = await repair(system, mend, subjects)
            for problem in problems:
                work.say(f"    no: {problem}")


def _described(mend: Mend, subjects: Sequence[str]) -> str:
    named = ", ".join(filter(None, subjects[:_SHOWN]))
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    return f"{mend}{': ' if named else ''}{named}{more}"
