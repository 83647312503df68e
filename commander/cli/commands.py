"""The commands: `commander dev` for all parts at once, and one command per part for deployments.

Each command imports its modules when it runs, so `commander --help` and `commander health` start fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from commander.cli.parts import run_part, run_tree
from commander.cli.progress_lines import Json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="CQRS and event sourcing behind a GraphQL API. Settings are environment variables: COMMANDER_…",
)

DomainArgument = Annotated[
    str | None,
    typer.Argument(metavar="[MODULE:DOMAIN]", help="The domain. Default: COMMANDER_DOMAIN, or the bank."),
]
Port = Annotated[int | None, typer.Option(help="The port of the API. 0 means any free port.")]
Host = Annotated[str | None, typer.Option(help="The address on which the API listens.")]

_GROUPS = {
    "client": "What a client needs of the domain's schema, as files: typescript.",
    "dead-letters": "Failed commands: list, show, retry, drop.",
    "documents": "The documents that clients name by their ids: add, list, check, remove.",
    "indexes": "What rules across streams keep of the log: list, wait, drop.",
    "processors": "The code that runs, and what waits for other code: list, waiting, fail, forget.",
    "effect-failures": "Failed calls of effects: list, retry, drop.",
    "snapshots": "Snapshots of long streams: drop.",
}
"""Groups of commands. Each is in the module of its name."""


@app.command()
def dev(
    domain: DomainArgument = None,
    port: Port = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="The directory for the data of Postgres and NATS. Default: .commander/<system>."),
    ] = None,
) -> None:
    """Run Postgres, NATS and all parts on this machine, until Ctrl-C."""
    run_tree(domain, port, data_dir)


@app.command()
def api(domain: DomainArgument = None, host: Host = None, port: Port = None) -> None:
    """Serve the GraphQL API."""
    run_part("api", domain, host=host, port=port)


@app.command()
def processor(domain: DomainArgument = None) -> None:
    """Decide commands. Run any number of this part: they share the partitions."""
    run_part("processor", domain)


@app.command()
def relay(domain: DomainArgument = None) -> None:
    """Mirror the log to the stream EVENTS. A second one waits and takes over."""
    run_part("relay", domain)


@app.command()
def projections(domain: DomainArgument = None) -> None:
    """Fold the log into the tables of the projections. A second one waits and takes over.

    Manage the tables from another terminal: commander projections list|rebuild|switch|rollback|drop.
    """
    run_part("projections", domain)


@app.command()
def reactors(domain: DomainArgument = None) -> None:
    """Run the reactors of the domain. Run any number of this part: they share the partitions.

    Manage the reactors from another terminal: commander reactors list|failures|retry|skip|replay.
    """
    run_part("reactors", domain)


@app.command()
def effects(domain: DomainArgument = None) -> None:
    """Call the effects of the domain. A second one waits and takes over."""
    run_part("effects", domain)


@app.command()
def schema(domain: DomainArgument = None) -> None:
    """Print the GraphQL schema (SDL), with COMMANDER_FEDERATION=subgraph that of the subgraph."""
    from commander.cli.loading import load_domain
    from commander.schema.build import build_schema
    from commander.settings import read_settings

    settings = read_settings(domain=domain)
    print(build_schema(load_domain(settings.domain), subgraph=settings.federation == "subgraph").sdl)


@app.command()
def check(domain: DomainArgument = None) -> None:
    """List the types without a rule, each with a line to write. Exit with 1 if there is one.

    With authentication on, they are for operators alone.
    """
    from commander.cli.checking import run_check

    run_check(domain)


@app.command()
def token(
    subject: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[list[str] | None, typer.Option(help="A role. Can be repeated.")] = None,
    minutes: Annotated[float, typer.Option(help="For how long it is valid.")] = 60,
    data_dir: Annotated[
        Path | None, typer.Option(help="The data directory of commander dev. Default: .commander/<system>.")
    ] = None,
) -> None:
    """Print a token for development, made with the key of COMMANDER_AUTH=dev commander dev."""
    from commander.cli.tokens import run_token

    run_token(subject, role or [], minutes, data_dir)


@app.command()
def revoke(subject: Annotated[str, typer.Argument(help="Whose tokens: what is in their claim sub.")]) -> None:
    """Revoke the tokens that a subject was given until now. Its streams end within a second."""
    from commander.cli.revoking import run_revoke

    run_revoke(subject)


@app.command()
def health(url: str = "http://127.0.0.1:8000/health/ready") -> None:
    """Print the health of the process at URL. Exit with 0 if it is ready, otherwise with 1.

    The port of the API tells only whether it is ready. The port COMMANDER_HEALTH_PORT of each part tells what
    is not ready, and why.
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
    except (OSError, HTTPException, ValueError) as error:  # no answer, not HTTP, not a URL
        print(f"{url}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.command("export")
def export_log(
    file: Annotated[Path | None, typer.Argument(help="The file to write. Default: standard output.")] = None,
    type: Annotated[list[str] | None, typer.Option(help="Only events of this type. Can be repeated.")] = None,
    stream: Annotated[
        list[str] | None, typer.Option(help="Only events of this stream. Can be repeated.")
    ] = None,
    aggregate: Annotated[
        list[str] | None, typer.Option(help="Only events of this aggregate. Can be repeated.")
    ] = None,
    after: Annotated[int | None, typer.Option(help="Only events after this position.")] = None,
    up_to: Annotated[int | None, typer.Option(help="Only events up to this position.")] = None,
    wait_seconds: Annotated[
        float, typer.Option(help="How long to wait until queued commands are decided.")
    ] = 30,
    json: Json = False,
) -> None:
    """Export the log as lines of JSON with checksums. Only an export of the whole log can be imported."""
    from commander.cli.exporting import run_export
    from commander.eventstore.archive.format import ExportFilter

    given = {"types": type, "streams": stream, "aggregates": aggregate}
    filters = {name: tuple(values) if values else None for name, values in given.items()}
    run_export(file, ExportFilter(**filters, after=after, up_to=up_to), wait_seconds, as_json=json)


@app.command("import")
def import_log(
    file: Annotated[Path | None, typer.Argument(help="The file to read. Default: standard input.")] = None,
    json: Json = False,
) -> None:
    """Import a whole export into an empty store. If it fails, nothing is stored."""
    from commander.cli.importing import run_import

    run_import(file, as_json=json)


@app.command()
def verify(
    domain: DomainArgument = None,
    snapshots: Annotated[
        int | None,
        typer.Option(min=0, help="The most snapshots to compare with a fold of their stream. Default: all."),
    ] = None,
    json: Json = False,
) -> None:
    """Check all that is stored in Postgres and on NATS, and print what is wrong. The system may run.

    Of a number of snapshots, half are those of the longest streams, the others are chosen at random.
    """
    from commander.cli.loading import load_domain
    from commander.cli.verifying import run_verify
    from commander.settings import read_settings

    run_verify(load_domain(read_settings(domain=domain).domain), snapshots, as_json=json)


@app.command()
def repair(
    domain: DomainArgument = None,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Do it. By default it is only shown.")
    ] = False,
    json: Json = False,
) -> None:
    """Make again what verify finds damaged, from the rest of the log. It shows first what it would do.

    Stop the part that writes what is repaired, such as processors or the relay.
    """
    from commander.cli.loading import load_domain
    from commander.cli.repairing import run_repair
    from commander.settings import read_settings

    run_repair(load_domain(read_settings(domain=domain).domain), apply=apply, as_json=json)


@app.command()
def restore(
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without: only show what differs.")] = False,
    new_epoch: Annotated[
        bool,
        typer.Option(
            help="Begin a new epoch although nothing differs: both servers were set back, so cursors and "
            "positions that clients and consumers have may be of what was lost."
        ),
    ] = False,
    epoch: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=2**31 - 1,
            help="As --new-epoch, with this number. Give one above all that there have been, if both backups "
            "are older than an earlier restore.",
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the events that were lost to this new file, as lines of JSON.")
    ] = None,
    json: Json = False,
) -> None:
    """After Postgres or NATS was set back: show what was lost, and make the two agree again.

    The log in Postgres is what counts. EVENTS is made again from it, queued commands without an outcome are
    decided, and a new epoch tells clients and consumers from which position on the log has changed.
    """
    from commander.cli.restoring import run_restore

    begins = new_epoch or epoch is not None
    run_restore(apply=yes, new_epoch=begins, number=epoch, save=save, as_json=json)


def run_app(arguments: Sequence[str]) -> None:
    """Runs the command that these arguments name. Raises CommanderError."""
    command, argument = (*arguments[:2], "", "")[:2]
    if command == "reactors" and argument in ("list", "replay", "failures", "retry", "skip"):
        _module("reactors").app(arguments[1:], prog_name="commander reactors")
    if command == "projections" and argument and ":" not in argument:  # a domain has a colon
        _module("projection_tables").app(arguments[1:], prog_name="commander projections")
    for name, help_text in _GROUPS.items():
        group = _module(name.replace("-", "_")).app if command == name else typer.Typer()
        app.add_typer(group, name=name, help=help_text)
    app()


def _module(name: str) -> Any:
    return import_module(f"commander.cli.{name}")
