"""The file and line of a definition, for error messages, and the fingerprint of its source."""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

_THIS_FOLDER = os.path.dirname(__file__)


def running() -> str:
    """file:line of the author's code that is running: the line of the decorator that is being applied.

    If a file has two classes with one name, this gives the right one; a search in the source would not.
    """
    frame = sys._getframe(1)
    while os.path.dirname(frame.f_code.co_filename) == _THIS_FOLDER and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def where_is(definition: type | Callable[..., Any]) -> str:
    """file:line of a class or a function; its module and name if there is no source."""
    code = getattr(inspect.unwrap(definition), "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    file = getattr(sys.modules.get(definition.__module__), "__file__", None)
    line = None if file is None else _lines_of_classes(file).get(definition.__qualname__)
    if line is None:
        return f"{definition.__module__}.{definition.__qualname__}"
    return f"{file}:{line}"


@lru_cache(maxsize=64)  # inspect would parse the whole file again for each of its classes
def _lines_of_classes(file: str) -> Mapping[str, int]:
    """The first line of each class in a file, decorators included, by qualified name."""
    lines: dict[str, int] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                first = child.decorator_list[0] if child.decorator_list else child
                lines[prefix + child.name] = first.lineno
                visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                visit(child, f"{prefix}{child.name}.<locals>.")
            else:
                visit(child, prefix)

    with contextlib.suppress(OSError, SyntaxError):  # the source may be missing
        visit(ast.parse(Path(file).read_bytes()), "")
    return lines


def fingerprint(*definitions: type | Callable[..., Any]) -> str:
    """Eight hex digits that change with the source of these definitions."""
    digest = blake2b(digest_size=4)
    for definition in definitions:
        try:
            source = inspect.getsource(definition)
        except (OSError, TypeError):  # no source, as in an interpreter: use the names instead
            source = f"{definition.__qualname__} {getattr(definition, '__annotations__', {})}"
        digest.update(source.encode())
    return digest.hexdigest()
