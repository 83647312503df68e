"""Where a definition stands in its author's file, for errors that name the line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from hashlib import blake2b
from typing import Any


def where_is(definition: type | Callable[..., Any]) -> str:
    """file:line of a class or a function; the module's name where there is no source."""
    code = getattr(inspect.unwrap(definition), "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        _, line = inspect.getsourcelines(definition)
        return f"{inspect.getsourcefile(definition)}:{line}"
    except (OSError, TypeError):
        return f"{definition.__module__}.{definition.__qualname__}"


def fingerprint(*definitions: type | Callable[..., Any]) -> str:
    """Eight hex digits that change with the source of these definitions."""
    digest = blake2b(digest_size=4)
    for definition in definitions:
        try:
            source = inspect.getsource(definition)
        except (OSError, TypeError):  # typed into an interpreter: its names must do
            source = f"{definition.__qualname__} {getattr(definition, '__annotations__', {})}"
        digest.update(source.encode())
    return digest.hexdigest()
