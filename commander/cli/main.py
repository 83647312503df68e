"""The command line: `commander dev` for everything at once, a command per part for deployments."""

from __future__ import annotations

import sys
from http.client import HTTPException
from pathlib import Path
from typing import Annotated
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import typer

from commander.cli.checkout import check_links
from commander.domain import CommanderError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="CQRS and event sourcing behind a GraphQL API. Settings: COMMANDER_… in the environment.",
)

DomainArgument = Annotated[
    str | None, typer.Argument(metavar="[MODULE:DOMAIN]", help="Default: COMMANDER_DOMAIN, or the bank.")
]
Port = Annotated[int | None, typer.Option(help="Where the API listens; 0 is any free port.")]
Host = Annotated[str | None, typer.Option(help="The address the API listens on.")]


@app.command()
def dev(
    domain: DomainArgument = None,
    port: Port = None,
    data_dir: Annotated[Path, typer.Option(help="Where Postgres and NATS keep their data.")] = Path(
        ".commander"
    ),
) -> None:
    """Run everything on this machine: Postgres, NATS and all parts, until Ctrl-C."""
    from commander.dev.tree import run_dev
    from commander.settings import read_settings

    run_dev(read_settings(domain=domain, port=port), data_dir)


@app.command()
def api(domain: DomainArgument = None, host: Host = None, port: Port = None) -> None:
    """Serve the GraphQL API."""
    from commander.parts.api import ApiPart

    _run(ApiPart, domain, host=host, port=port)


@app.command()
def processor(domain: DomainArgument = None) -> None:
    """Decide commands; run as many as you like, they share the partitions."""
    from commander.parts.processor import ProcessorPart

    _run(ProcessorPart, domain)


@app.command()
def relay(domain: DomainArgument = None) -> None:
    """Mirror the log onto the EVENTS stream; a second one stands by."""
    from commander.parts.relay import RelayPart

    _run(RelayPart, domain)


@app.command()
def projections(domain: DomainArgument = None) -> None:
    """Keep the projections up with the log; a second one stands by.

    On their tables, from another terminal: commander projections list|rebuild|switch|rollback|drop.
    """
    from commander.parts.projections import ProjectionsPart

    _run(ProjectionsPart, domain)


@app.command()
def reactors(domain: DomainArgument = None) -> None:
    """Turn events into new commands; a second one stands by. See also: reactors list, reactors replay."""
    from commander.parts.reactors import ReactorsPart

    _run(ReactorsPart, domain)


@app.command()
def effects(domain: DomainArgument = None) -> None:
    """Call the domain's effects outside; a second one stands by."""
    from commander.parts.effects import EffectsPart

    _run(EffectsPart, domain)


@app.command()
def schema(domain: DomainArgument = None) -> None:
    """Print the GraphQL schema (SDL)."""
    from commander.cli.loading import load_domain
    from commander.schema.build import build_schema
    from commander.settings import read_settings

    print(build_schema(load_domain(read_settings(domain=domain).domain)).as_str())


@app.command()
def health(url: str = "http://127.0.0.1:8000/health/ready") -> None:
    """Exit with 0 if the process at URL is ready; otherwise say what is not."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
            print(answer.read().decode())
    except URLError as error:
        body = error.read().decode() if hasattr(error, "read") else ""
        print(body or f"{url}: {error.reason}", file=sys.stderr)
        raise typer.Exit(1) from error
    except (OSError, HTTPException, ValueError) as error:  # no answer, no HTTP, no URL
        print(f"{url}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.command("export")
def export_log(
    file: Annotated[Path | None, typer.Argument(help="Where to; without it, standard output.")] = None,
    type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be repeated.")] = None,
    aggregate: Annotated[list[str] | None, typer.Option(help="Only this aggregate; may be repeated.")] = None,
    after: Annotated[int | None, typer.Option(help="Only events after this position.")] = None,
    up_to: Annotated[int | None, typer.Option(help="Only events up to this position.")] = None,
    wait_seconds: Annotated[float, typer.Option(help="How long to wait for what is queued.")] = 30,
) -> None:
    """Write the log as lines of JSON with checksums: the whole of it, for an import, or what matches."""
    from commander.cli.exporting import run_export
    from commander.eventstore.archive.format import ExportFilter

    given = {"types": type, "streams": stream, "aggregates": aggregate}
    filters = {name: tuple(values) if values else None for name, values in given.items()}
    run_export(file, ExportFilter(**filters, after=after, up_to=up_to), wait_seconds)


@app.command("import")
def import_log(
    file: Annotated[Path | None, typer.Argument(help="Where from; without it, standard input.")] = None,
) -> None:
    """Store a whole export in an empty store: all of it, or nothing."""
    from commander.cli.importing import run_import

    run_import(file)


@app.command()
def verify(domain: DomainArgument = None) -> None:
    """Hold what is stored against what is promised: log, outcomes, mirror, projections. Others may go on."""
    from commander.cli.loading import load_domain
    from commander.cli.verifying import run_verify
    from commander.settings import read_settings

    run_verify(load_domain(read_settings(domain=domain).domain))


def main() -> None:
    """The entry point: what is wrong in a definition, a setting or a server is one line, not a traceback."""
    try:
        check_links()
        if sys.argv[1:2] == ["reactors"] and sys.argv[2:3] in (["list"], ["replay"]):
            from commander.cli import reactors as about_reactors

            about_reactors.app(sys.argv[2:], prog_name="commander reactors")
        if sys.argv[1:2] == ["dead-letters"] or "--help" in sys.argv[1:2] or len(sys.argv) == 1:
            from commander.cli import dead_letters  # only here: `commander health` must start fast

            app.add_typer(dead_letters.app, name="dead-letters")
        if sys.argv[1:2] == ["projections"] and ":" not in (sys.argv[2:3] or [":"])[0]:
            from commander.cli import (
                projection_tables,  # a domain has a colon: this is a command on its tables
            )

            projection_tables.app(sys.argv[2:], prog_name="commander projections")
        if sys.argv[1:2] in (["effect-failures"], ["--help"]) or len(sys.argv) == 1:
            from commander.cli import effect_failures

            app.add_typer(effect_failures.app, name="effect-failures")
        app()
    except CommanderError as error:
        print(f"commander: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _run(part_type: type, domain: str | None, **overrides: object) -> None:
    from commander.cli.loading import load_domain
    from commander.parts.process import configure_logging, run
    from commander.settings import read_settings

    settings = read_settings(domain=domain, **overrides)
    for variable in ("postgres_url", "nats_url"):
        if getattr(settings, variable) is None:
            print(
                f"commander: COMMANDER_{variable.upper()} is not set (commander dev starts its own)",
                file=sys.stderr,
            )
            raise SystemExit(2)
    configure_logging(part_type.name, settings.log_level)  # type: ignore[attr-defined]
    run(part_type(settings, load_domain(settings.domain)))


if __name__ == "__main__":
    main()
