"""The entry point: runs a command, and prints an error that a user can fix as one line."""

from __future__ import annotations

import signal
import sys

from commander.cli.checkout import check_links
from commander.cli.parts import PARTS, run_part, run_tree
from commander.domain.errors import CommanderError


def main() -> None:
    """Runs a command. An error in a definition, a setting or a server is one line, not a traceback."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see commander/__init__.py
        check_links()
        arguments = sys.argv[1:]
        plain = plain_arguments(arguments)
        if plain is None:
            from commander.cli.commands import run_app

            run_app(arguments)
        elif arguments[0] == "dev":
            run_tree(**plain)
        else:
            run_part(arguments[0], **plain)
    except CommanderError as error:
        print(f"commander: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def plain_arguments(arguments: list[str]) -> dict[str, str] | None:
    """The arguments of `commander dev` or of a part, if they are in the simple form. None otherwise.

    This function spares a long-running process the memory of the command line library.
    """
    if arguments[:1] != ["dev"] and (not arguments or arguments[0] not in PARTS):
        return None
    options = {"dev": ("--port", "--data-dir"), "api": ("--host", "--port")}.get(arguments[0], ())
    plain: dict[str, str] = {}
    rest = iter(arguments[1:])
    for argument in rest:
        name = argument.removeprefix("--").replace("-", "_") if argument in options else "domain"
        value = next(rest, "") if argument in options else argument
        if name in plain or value.startswith("-") or (name == "domain" and ":" not in value) or not value:
            return None
        plain[name] = value
    return plain if plain.get("port", "0").isdecimal() else None


if __name__ == "__main__":
    main()
