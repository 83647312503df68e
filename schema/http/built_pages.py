"""What the pages of the API share: the files that Vite has built, and the settings that a page carries."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Build:
    """The files that a page loads from its `dist`, as URLs relative to the URL of its assets."""

    script: str
    styles: tuple[str, ...]

    def head(self, assets_url: str) -> str:
        """The elements that load the styles."""
        base = escape(assets_url.rstrip("/"))
        return "".join(f'<link rel="stylesheet" href="{base}/{escape(style)}">\n' for style in self.styles)

    def tail(self, assets_url: str) -> str:
        """The element that loads the script."""
        return f'<script type="module" src="{escape(assets_url.rstrip("/"))}/{escape(self.script)}"></script>'


def read_build(dist: Path, entry: str) -> Build | None:
    """Read from the manifest the script of the entry, and all styles that it needs at once.

    None without a build.     Raises ValueError if the manifest does not have the entry.
    """
    manifest_path = dist / _MANIFEST
    if not manifest_path.is_file():
        return None
    manifest: dict[str, dict[str, Any]] = json.loads(manifest_path.read_text("utf-8"))
    if entry not in manifest:
        raise ValueError(f"{manifest_path} has no {entry!r}: build schema/{dist.parent.name} again")
    chunks, styles = [entry], dict[str, None]()
    for name in chunks:  # the loop appends to it
        styles |= dict.fromkeys(manifest[name].get("css", ()))
        chunks += [other for other in manifest[name].get("imports", ()) if other not in chunks]
    return Build(_served(manifest[entry]["file"]), tuple(map(_served, styles)))


def assets_app(dist: Path) -> ASGIApp | None:
    """Return an app that serves the built files, or None without a build.

    Each file has a hash in its name, so browsers may cache it for a year.
    """
    return _HashedFiles(directory=dist / "assets") if (dist / _MANIFEST).is_file() else None


def json_for_html(value: object) -> str:
    """JSON that cannot end the script element around it: only ASCII, and no `<`, `>` or `&`."""
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _served(file: str) -> str:
    return file.removeprefix("assets/")


class _HashedFiles(StaticFiles):
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
