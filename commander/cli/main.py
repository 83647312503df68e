"""The entry point: runs the command, and tells what a person can mend in one line."""

from __future__ import annotations

import sys

from commander.cli.checkout import check_links
from commander.cli.parts import PARTS, run_part
from commander.domain.errors import CommanderError


def main() -> None:
    """What is wrong in a definition, a setting or a server is one line, not a traceback."""
    try:
        check_links()
        match sys.argv[1:]:  # a process that runs for months need not carry the command line
            case [part] if part in PARTS:
                run_part(part)
            case [part, domain] if part in PARTS and ":" in domain and not domain.startswith("-"):
                run_part(part, domain)
            case arguments:
                from commander.cli.commands import run_app

                run_app(arguments)
    except CommanderError as error:
        print(f"commander: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
