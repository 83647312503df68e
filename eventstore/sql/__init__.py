"""The SQL statements, one a file; each file's header says its purpose, binds and result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

_FOLDER = Path(__file__).parent
_encoder = msgspec.json.Encoder(decimal_format="string")


def statement(name: str) -> str:
    """The text of NAME.sql."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


def array_text(values: Sequence[Any]) -> str:
    """The values as the text of a Postgres array, for a bind like `$1::text::uuid[]`; None is null.

    The driver's own encoder looks at each element twice. JSON is made at once, and only its escapes differ
    from what Postgres reads: text that has any is escaped here.
    """
    encoded = _encoder.encode(values)
    if b"\\" in encoded:
        return "{" + ",".join("null" if value is None else _quoted(value) for value in values) + "}"
    return "{" + encoded[1:-1].decode() + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
