"""`commander client`: what a client needs of the domain's schema, as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from commander.cli.loading import load_domain
from commander.domain import Domain
from commander.domain.errors import CommanderError
from commander.schema.build import build_schema
from commander.schema.python.files import python_files
from commander.schema.typescript.files import typescript_files
from commander.settings import SettingsError, read_settings

app = typer.Typer(no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="The folder for the files. It is made if it is missing.")]
DomainName = Annotated[str | None, typer.Option(help="MODULE:DOMAIN; default: COMMANDER_DOMAIN.")]
Check = Annotated[
    bool, typer.Option("--check", help="Write nothing. Exit with 1 if a file is not up to date.")
]


@app.command()
def typescript(
    out: Out,
    domain: DomainName = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(
            help="SCALAR=MODULE: a module beside the files that exports the scalar's codec, such as "
            "Decimal=../codecs.js. Can be given several times. Without one, a scalar is a string."
        ),
    ] = None,
    check: Check = False,
) -> None:
    """Write operations, types and keys for @commander/client. Other files in the folder stay as they are."""
    _write("typescript", partial(typescript_files, with_codecs=codec or ()), out, domain, check=check)


@app.command()
def python(
    out: Out,
    domain: DomainName = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(
            help="SCALAR=MODULE:CLASS: a class whose values are made from the scalar's string, and give it "
            "as str(value), such as Decimal=shop.money:Money. Can be given several times."
        ),
    ] = None,
    check: Check = False,
) -> None:
    """Write a package with an asyncio client of the domain. It needs httpx, and for WebSockets websockets."""
    if not out.resolve().name.isidentifier():
        raise CommanderError(f"--out {out}: the folder is a package, so its name must be one of Python")
    _write("python", partial(python_files, with_codecs=codec or ()), out, domain, check=check)


def _write(
    kind: str,
    files_of: Callable[[Domain, str], Mapping[str, str]],
    out: Path,
    domain: str | None,
    *,
    check: bool,
) -> None:
    settings = read_settings(domain=domain)
    if settings.federation == "subgraph":
        raise SettingsError(
            "COMMANDER_FEDERATION='subgraph': the client is for an API that stands alone, and a subgraph has "
            "other names; unset it, and start API processes without it for such clients"
        )
    loaded = load_domain(settings.domain)
    files = files_of(loaded, build_schema(loaded).as_str())
    old = [name for name, text in files.items() if _text(out / name) != text]
    if check and old:
        print(f"not up to date in {out}: {', '.join(old)}; run commander client {kind} --out {out}")
        raise typer.Exit(1)
    try:
        for name in old:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(files[name], "utf-8", newline="\n")
    except OSError as error:
        raise CommanderError(f"{out}: cannot be written: {error.strerror}") from error
    print(f"{out}: {len(files)} files, {len(old)} of them new")


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
