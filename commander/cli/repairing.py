"""`commander repair`: shows what it would do about what `commander verify` finds; --apply does it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from commander.cli.joining import joined_with_any_epoch
from commander.cli.verifying import VerificationFailed, audited, console, show
from commander.domain import Domain
from commander.eventstore.audit.findings import Finding, Mend, begun
from commander.eventstore.database import Database
from commander.parts.process import given_url
from commander.settings import read_settings
from commander.streaming.audit.checks import all_checks
from commander.streaming.audit.repairing import LOG, NotRepaired, System, repair, repairs_of, restorable
from commander.streaming.nats.connection import Nats

_SHOWN = 10


def run_repair(domain: Domain, *, apply: bool) -> None:
    """Verifies, shows the repairs and what is lost, and with `apply` does them and verifies again.

    Raises VerificationFailed if something is left, SettingsError, PartRuns, Unavailable.
    """
    settings = read_settings()
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    nats_url = given_url(settings.nats_url, "COMMANDER_NATS_URL")

    async def run() -> list[Finding]:
        database = Database(postgres_url, command_timeout_seconds=24 * 3600)
        nats = Nats(nats_url)
        try:
            await nats.connect("commander repair")
            await joined_with_any_epoch(nats, database)
            system = System(domain, database, nats, settings.nats_replicas)
            return await (_repaired(system) if apply else _planned(system))
        finally:
            await nats.close()
            await database.close()

    found = asyncio.run(run())
    if found:
        show(found)
        left = "left" if apply else "; nothing was changed, --apply does it"
        raise VerificationFailed(f"{len(found)} findings{' ' if apply else ''}{left}")


async def _planned(system: System) -> list[Finding]:
    found = await _audited(system)
    for mend, subjects in repairs_of(found).items():
        console.print(f"would {_described(mend, subjects)}")
        for position in subjects if mend is Mend.EVENT else ():
            try:
                await restorable(system, int(position))
            except NotRepaired as error:
                console.print(f"    no: {error}")
    return found


async def _repaired(system: System) -> list[Finding]:
    """The log first, and what is made from it after another look. Returns what is left."""
    found = await _audited(system)
    for stage in (True, False):
        wanted = {mend: subjects for mend, subjects in repairs_of(found).items() if (mend in LOG) is stage}
        for mend, subjects in wanted.items():
            console.print(_described(mend, subjects))
            for problem in await repair(system, mend, subjects):
                console.print(f"    no: {problem}")
        if wanted:
            found = await _audited(system)
    return found


async def _audited(system: System) -> list[Finding]:
    return await audited(await begun(system.domain, system.database), all_checks(system.domain, system.nats))


def _described(mend: Mend, subjects: Sequence[str]) -> str:
    named = ", ".join(filter(None, subjects[:_SHOWN]))
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    return f"{mend}{': ' if named else ''}{named}{more}"
