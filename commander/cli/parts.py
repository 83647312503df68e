"""Running one part, or all of them, in this process. Each imports only the modules that it needs."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

PARTS = {
    "api": "ApiPart",
    "processor": "ProcessorPart",
    "relay": "RelayPart",
    "projections": "ProjectionsPart",
    "reactors": "ReactorsPart",
    "effects": "EffectsPart",
}
"""The class of each part. Each is in the module of its name."""


def run_part(name: str, domain: str | None = None, **overrides: object) -> None:
    """Runs a part until a signal ends it. Raises SettingsError, DomainNotFound, and the error of the part."""
    from commander.cli.loading import load_domain
    from commander.parts.logs import configure_logging
    from commander.settings import read_settings

    settings = read_settings(domain=domain, **overrides)
    for variable in ("postgres_url", "nats_url"):
        if getattr(settings, variable) is None:
            print(
                f"commander: COMMANDER_{variable.upper()} is not set (commander dev starts its own)",
                file=sys.stderr,
            )
            raise SystemExit(2)
    configure_logging(name, settings.log_level, settings.log_format)
    # both before the next imports, which reuse the memory that they have freed
    loaded = load_domain(settings.domain)
    _ = loaded.code
    from commander.parts.process import run

    part = getattr(import_module(f"commander.parts.{name}"), PARTS[name])
    run(part(settings, loaded))


def run_tree(domain: str | None = None, port: object = None, data_dir: str | Path | None = None) -> None:
    """Runs `commander dev` until a signal ends it. Raises CommanderError.

    data_dir: None means the directory of this system in `.commander`.
    """
    from commander.dev.tree import run_dev
    from commander.settings import read_settings

    run_dev(read_settings(domain=domain, port=port), None if data_dir is None else Path(data_dir))
