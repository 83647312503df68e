"""`commander check`: what a domain lacks that is no error."""

from __future__ import annotations

import typer

from commander.cli.loading import load_domain
from commander.domain.unruled import unruled
from commander.settings import read_settings


def run_check(reference: str | None) -> None:
    """Prints each type without a rule. Raises typer.Exit with 1 if there is one."""
    domain = load_domain(read_settings(domain=reference).domain)
    found = list(unruled(domain))
    if not found:
        print(f"{domain.name}: every command, event and projection has a rule")
        return
    for one in found:
        print(f"{one.where}: the {one.kind} {one.name} has no rule: {one.line}")
    print(f"{len(found)} types have no rule. With authentication on, they are for operators alone.")
    raise typer.Exit(1)
