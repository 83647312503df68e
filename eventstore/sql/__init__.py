"""The SQL statements, one per file. The header of a file gives its purpose, binds and result."""

from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any

import msgspec

_FOLDER = Path(__file__).parent
_encoder = msgspec.json.Encoder(decimal_format="string")


def statement(name: str) -> str:
    """The text of NAME.sql without its header, so that it begins with what it does: tools name it by that."""
    lines = (_FOLDER / f"{name}.sql").read_text("utf-8").splitlines(keepends=True)
    return "".join(dropwhile(lambda line: line.startswith("--"), lines))


def array_text(values: Sequence[Any]) -> str:
    """The values as the text of a Postgres array, for a bind like `$1::text::uuid[]`. None becomes null.

    The driver's encoder visits each element twice. A JSON encoder is faster, and its output differs from a
    Postgres array only in escapes. Values whose JSON has an escape are escaped here instead.
    """
    encoded = _encoder.encode(values)
    if b"\\" in encoded:
        return "{" + ",".join("null" if value is None else _quoted(value) for value in values) + "}"
    return "{" + encoded[1:-1].decode() + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
