"""Taking an annotation apart: the bare type, whether None is allowed, and the metadata of Annotated."""

from __future__ import annotations

import types
import typing
from typing import Any


def unwrapped(hint: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """The bare type, whether None is allowed, and the metadata of Annotated inside and outside of it."""
    hint, outer = _split_annotated(hint)
    hint, optional = _split_optional(hint)
    hint, inner = _split_annotated(hint)
    return hint, optional, outer + inner


def _split_annotated(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(hint) is typing.Annotated:
        inner, *metadata = typing.get_args(hint)
        return inner, tuple(metadata)
    return hint, ()


def _split_optional(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        args = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(args) == 1 and len(typing.get_args(hint)) == 2:
            return args[0], True
    return hint, False


def is_doc(annotation: Any) -> bool:
    """Whether it is a Doc: ours, or that of a library, such as typing_extensions (PEP 727)."""
    return type(annotation).__name__ == "Doc" and isinstance(getattr(annotation, "documentation", None), str)
