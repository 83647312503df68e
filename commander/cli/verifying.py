"""`commander verify`: checks the stored data against the guarantees. The system may be running."""

from __future__ import annotations

from collections.abc import Sequence

from commander.cli.auditing import Audited, audit
from commander.cli.printing import print_table
from commander.cli.progress import LongWork
from commander.cli.progress_lines import Found
from commander.domain import Domain
from commander.domain.errors import CommanderError
from commander.eventstore.audit.findings import Finding
from commander.parts.process import given_url
from commander.settings import Settings, read_settings

_COLUMNS = ("what", "where", "found", "commander repair can")


class VerificationFailed(CommanderError):
    """A guarantee does not hold. The printed lines say which one and where."""


def run_verify(domain: Domain, snapshots: int | None, *, as_json: bool) -> None:
    """Prints one line per guarantee, then a table of the findings. snapshots: the most to compare; None: all.

    Raises VerificationFailed, SettingsError, Unavailable.
    """
    with LongWork("verify", "nothing was changed: run it again", as_json=as_json) as work:
        found = audit(work, audited_with(domain, read_settings(), snapshots))
        if found:
            show(work, found)
            raise VerificationFailed(f"{len(found)} findings")


def audited_with(domain: Domain, settings: Settings, snapshots: int | None = None) -> Audited:
    """The system of these settings. Raises SettingsError."""
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    return Audited(domain, postgres_url, given_url(settings.nats_url, "COMMANDER_NATS_URL"), snapshots)


def show(work: LongWork, found: Sequence[Finding]) -> None:
    """Prints findings as a table; in a pipe: as tab-separated lines."""
    repairs = [one.repair.mend if one.repair else None for one in found]
    if work.as_json:
        for one, repair in zip(found, repairs, strict=True):
            work.say("", Found(work.name, one.kind, one.where, one.what, repair))
        return
    rows = [
        (str(one.kind), one.where, one.what, repair or "nothing")
        for one, repair in zip(found, repairs, strict=True)
    ]
    print_table(work.results, _COLUMNS, rows, "nothing was found", ruled=True)
