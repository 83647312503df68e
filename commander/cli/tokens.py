"""`commander token`: a token for development, made with the key of `commander dev`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from commander.cli.loading import load_domain
from commander.dev.data_dir import default_data_dir
from commander.dev.development_key import development_key
from commander.domain.errors import CommanderError
from commander.parts.authentication import mint_of
from commander.settings import Settings, read_settings, system_name_of


def run_token(subject: str, roles: Sequence[str], minutes: float, data_dir: Path | None) -> None:
    """Prints a token. Raises CommanderError if there is no key."""
    settings = read_settings()
    if data_dir is not None or not (settings.auth_secret or settings.auth_secret_file):
        settings = replace(settings, auth_secret=None, auth_secret_file=str(_key_file(settings, data_dir)))
    print(mint_of(settings).token(subject, roles, minutes))


def _key_file(settings: Settings, data_dir: Path | None) -> Path:
    if data_dir is None:
        data_dir = default_data_dir(settings.system or system_name_of(load_domain(settings.domain).name))
    file = development_key(data_dir)
    if not file.is_file():
        raise CommanderError(
            f"there is no key in {data_dir}: start commander dev with COMMANDER_AUTH=dev, in this directory "
            "or with --data-dir, or set COMMANDER_AUTH_SECRET_FILE"
        )
    return file
