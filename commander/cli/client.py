"""`commander client typescript`: what a client needs of the domain's schema, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commander.cli.loading import load_domain
from commander.domain.errors import CommanderError
from commander.schema.build import build_schema
from commander.schema.typescript.files import typescript_files
from commander.settings import read_settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, although it has one command."""


@app.command()
def typescript(
    out: Annotated[Path, typer.Option(help="The folder for the files. It is made if it is missing.")],
    domain: Annotated[str | None, typer.Option(help="MODULE:DOMAIN; default: COMMANDER_DOMAIN.")] = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(
            help="SCALAR=MODULE: a module beside the files that exports the scalar's codec, such as "
            "Decimal=../codecs.js. Can be given several times. Without one, a scalar is a string."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing. Exit with 1 if a file is not up to date.")
    ] = False,
) -> None:
    """Write operations, types and keys for @commander/client. Other files in the folder stay as they are."""
    loaded = load_domain(read_settings(domain=domain).domain)
    files = typescript_files(loaded, build_schema(loaded).as_str(), codec or ())
    old = [name for name, text in files.items() if _text(out / name) != text]
    if check and old:
        print(f"not up to date in {out}: {', '.join(old)}; run commander client typescript --out {out}")
        raise typer.Exit(1)
    try:
        for name in old:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(files[name], "utf-8", newline="\n")
    except OSError as error:
        raise CommanderError(f"{out}: cannot be written: {error.strerror}") from error
    print(f"{out}: {len(files)} files, {len(old)} of them new")


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
