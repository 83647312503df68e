"""Errors of the domain's code, as they are shown: with the file and line that raised them."""

from __future__ import annotations

import re


class Placed(str):
    """Equal to this text of an error with any file and line behind it: `ValueError: no (/shop.py:5)`.

    `…` stands for the place, if it is not at the end.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        text = self if "…" in self else f"{self}…"
        pattern = re.escape(text).replace("…", r" \(/[^()]+\.py:[0-9]+\)")
        return isinstance(other, str) and re.fullmatch(pattern, other) is not None

    def __ne__(self, other: object) -> bool:
        return not self == other
