"""The key with which `commander dev` verifies tokens, and `commander token` mints them."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_BYTES = 32


def development_key(data_dir: Path) -> Path:
    """The file of the key in this data directory."""
    return data_dir / "auth-key"


def make_development_key(data_dir: Path) -> None:
    """Makes the key, if there is none. Only this user may read it."""
    file = development_key(data_dir)
    if file.exists():
        return
    written = file.with_suffix(".new")
    written.touch(mode=0o600)
    written.write_text(secrets.token_urlsafe(_BYTES) + "\n", "utf-8")
    os.replace(written, file)
