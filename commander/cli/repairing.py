"""`commander repair`: shows what it would do about what `commander verify` finds; --apply does it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from commander.cli.auditing import Audited, audit, console
from commander.cli.verifying import VerificationFailed, audited_with, show
from commander.domain import Domain
from commander.eventstore.audit.findings import Finding, Mend
from commander.settings import read_settings
from commander.streaming.audit.repairing import LOG, NotRepaired, System, repair, repairs_of, restorable

_SHOWN = 10


def run_repair(domain: Domain, *, apply: bool) -> None:
    """Verifies, shows the repairs and what is lost, and with `apply` does them and verifies again.

    Raises VerificationFailed if something is left, SettingsError, PartRuns, Unavailable.
    """
    settings = read_settings()
    audited = audited_with(domain, settings)
    found = audit(audited)
    if not apply:
        asyncio.run(_plan(audited, repairs_of(found)))
    for stage in (True, False) if apply else ():  # the log first, and what is made from it after another look
        wanted = {mend: subjects for mend, subjects in repairs_of(found).items() if (mend in LOG) is stage}
        if wanted:
            asyncio.run(_apply(audited, wanted, settings.nats_replicas))
            found = audit(audited)
    _end(found, apply=apply)


def _end(found: Sequence[Finding], *, apply: bool) -> None:
    if found:
        show(found)
        left = " left" if apply else "; nothing was changed, --apply does it"
        raise VerificationFailed(f"{len(found)} findings{left}")


async def _plan(audited: Audited, wanted: Mapping[Mend, Sequence[str]]) -> None:
    async with audited.connected("commander repair") as (database, nats):
        system = System(audited.domain, database, nats)
        for mend, subjects in wanted.items():
            console.print(f"would {_described(mend, subjects)}")
            for position in subjects if mend is Mend.EVENT else ():
                try:
                    await restorable(system, int(position))
                except NotRepaired as error:
                    console.print(f"    no: {error}")


async def _apply(audited: Audited, wanted: Mapping[Mend, Sequence[str]], replicas: int) -> None:
    async with audited.connected("commander repair") as (database, nats):
        system = System(audited.domain, database, nats, replicas)
        for mend, subjects in wanted.items():
            console.print(_described(mend, subjects))
            for problem in await repair(system, mend, subjects):
                console.print(f"    no: {problem}")


def _described(mend: Mend, subjects: Sequence[str]) -> str:
    named = ", ".join(filter(None, subjects[:_SHOWN]))
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    return f"{mend}{': ' if named else ''}{named}{more}"
