"""A griffe extension: what is drawn in columns in a docstring stays so on the site."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

DRAWN = re.compile(r"(\w+/|\w+\.py) +\S|[ │├└]")
"""A line of a package's map, the line that goes on with it, or a line of a tree."""


class Doors(Extension):
    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None and obj.is_module:
            obj.docstring.value = in_code_blocks(obj.docstring.value)


def in_code_blocks(text: str) -> str:
    """The text with each paragraph that has a drawn line as a block of code."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        "\n".join(f"    {line}" for line in paragraph.splitlines())
        if any(DRAWN.match(line) for line in paragraph.splitlines())
        else paragraph
        for paragraph in paragraphs
    )
