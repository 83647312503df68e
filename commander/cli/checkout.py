"""A check that a source checkout is complete. Imports only the errors of Commander."""

from __future__ import annotations

from pathlib import Path

from commander.domain.errors import CommanderError

_COMMANDER = Path(__file__).resolve().parents[1]
_LINKED = ("eventstore", "streaming", "resolvers", "schema", "examples")


class LinksMissing(CommanderError):
    """The checkout has plain files where the repository has symbolic links."""


def check_links(commander: Path = _COMMANDER) -> None:
    """Raises LinksMissing if git wrote the links to the top-level packages as text files.

    Git does so if the file system or a setting does not allow symbolic links. A wheel has no links.
    """
    for name in _LINKED:
        if (commander / name).is_file():
            raise LinksMissing(
                f"{commander / name} is a text file and must be a symbolic link to ../{name}: clone the "
                "repository again with `git clone -c core.symlinks=true`"
            )
