"""`commander verify`: checks the stored data against the guarantees. The system may be running."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from commander.cli.auditing import Audited, audit, console
from commander.domain import Domain
from commander.domain.errors import CommanderError
from commander.eventstore.audit.findings import Finding
from commander.parts.process import given_url
from commander.settings import Settings, read_settings

_COLUMNS = ("what", "where", "found", "commander repair can")


class VerificationFailed(CommanderError):
    """A guarantee does not hold. The printed lines say which one and where."""


def run_verify(domain: Domain, snapshots: int | None) -> None:
    """Prints one line per guarantee, then a table of the findings. snapshots: the most to compare; None: all.

    Raises VerificationFailed, SettingsError, Unavailable.
    """
    found = audit(audited_with(domain, read_settings(), snapshots))
    if found:
        show(found)
        raise VerificationFailed(f"{len(found)} findings")


def audited_with(domain: Domain, settings: Settings, snapshots: int | None = None) -> Audited:
    """The system of these settings. Raises SettingsError."""
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    return Audited(domain, postgres_url, given_url(settings.nats_url, "COMMANDER_NATS_URL"), snapshots)


def show(found: Sequence[Finding]) -> None:
    """Prints findings as a table; in a pipe: as tab-separated lines."""
    table = Table(*_COLUMNS, show_lines=True)
    for one in found:
        cells = one.kind, one.where, one.what, one.repair.mend if one.repair else "nothing"
        if console.is_terminal:
            table.add_row(*map(Text, cells))
        else:
            print("\t".join(" ".join(cell.split()) for cell in cells))
    if console.is_terminal:
        console.print(table)
