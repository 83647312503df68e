"""The commands: `commander dev` for everything at once, a command per part for deployments.

What a command needs is imported when it is run, so `commander --help` and `commander health` start fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from commander.cli.parts import DATA_DIR, run_part, run_tree

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

_GROUPS = {
    "dead-letters": "Failed commands: list them, look at one, retry or drop it.",
    "effect-failures": "Failed calls of effects: list them, retry or drop one.",
}
"""Commands with commands of their own, each in the module of its name."""


@app.command()
def dev(
    domain: DomainArgument = None,
    port: Port = None,
    data_dir: Annotated[Path, typer.Option(help="Where Postgres and NATS keep their data.")] = Path(DATA_DIR),
) -> None:
    """Run everything on this machine: Postgres, NATS and all parts, until Ctrl-C."""
    run_tree(domain, port, data_dir)


@app.command()
def api(domain: DomainArgument = None, host: Host = None, port: Port = None) -> None:
    """Serve the GraphQL API."""
    run_part("api", domain, host=host, port=port)


@app.command()
def processor(domain: DomainArgument = None) -> None:
    """Decide commands; run as many as you like, they share the partitions."""
    run_part("processor", domain)


@app.command()
def relay(domain: DomainArgument = None) -> None:
    """Mirror the log onto the EVENTS stream; a second one stands by."""
    run_part("relay", domain)


@app.command()
def projections(domain: DomainArgument = None) -> None:
    """Keep the projections up with the log; a second one stands by.

    On their tables, from another terminal: commander projections list|rebuild|switch|rollback|drop.
    """
    run_part("projections", domain)


@app.command()
def reactors(domain: DomainArgument = None) -> None:
    """Turn events into new commands; a second one stands by. See also: reactors list, reactors replay."""
    run_part("reactors", domain)


@app.command()
def effects(domain: DomainArgument = None) -> None:
    """Call the domain's effects outside; a second one stands by."""
    run_part("effects", domain)


@app.command()
def schema(domain: DomainArgument = None) -> None:
    """Print the GraphQL schema (SDL)."""
    from commander.cli.loading import load_domain
    from commander.schema.build import build_schema
    from commander.settings import read_settings

    print(build_schema(load_domain(read_settings(domain=domain).domain)).as_str())


@app.command()
def health(url: str = "http://127.0.0.1:8000/health/ready") -> None:
    """Exit with 0 if the process at URL is ready, and print its answer.

    The API's port answers yes or no. The port COMMANDER_HEALTH_PORT of each part says what is not ready.
    """
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import ProxyHandler, build_opener

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


def run_app(arguments: Sequence[str]) -> None:
    """Runs the command that these arguments ask for. Raises CommanderError."""
    command, argument = (*arguments[:2], "", "")[:2]
    if command == "reactors" and argument in ("list", "replay"):
        _module("reactors").app(arguments[1:], prog_name="commander reactors")
    if command == "projections" and argument and ":" not in argument:  # a domain has a colon
        _module("projection_tables").app(arguments[1:], prog_name="commander projections")
    for name, does in _GROUPS.items():
        group = _module(name.replace("-", "_")).app if command == name else typer.Typer()
        app.add_typer(group, name=name, help=does)
    app()


def _module(name: str) -> Any:
    return import_module(f"commander.cli.{name}")
