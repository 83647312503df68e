"""The file and line of a definition, for error messages."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
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
    module = definition.__module__
    file = getattr(sys.modules.get(module), "__file__", None)
    line = None if file is None else _lines_of_classes(module, file).get(definition.__qualname__)
    if line is None:
        return f"{module}.{definition.__qualname__}"
    return f"{file}:{line}"


@lru_cache(maxsize=64)  # inspect would parse the whole file again for each of its classes
def _lines_of_classes(module: str, file: str) -> Mapping[str, int]:
    """The first line of each class in a module, decorators included, by qualified name.

    Its compiled code has both, and costs a process next to nothing. To parse the source costs 0.5 MB.
    """
    lines: dict[str, int] = {}

    def visit(code: CodeType) -> None:
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                if not inner.co_flags & inspect.CO_OPTIMIZED:  # the body of a class, not a function
                    lines[inner.co_qualname] = inner.co_firstlineno
                visit(inner)

    with contextlib.suppress(OSError, ImportError, SyntaxError):  # the source may be missing
        visit(_code_of(module, file))
    return lines


def _code_of(module: str, file: str) -> CodeType:
    """As it was compiled for the import; compiled again for a script, which was not imported."""
    loader = getattr(getattr(sys.modules[module], "__spec__", None), "loader", None)
    if isinstance(loader, SourceFileLoader) and (code := loader.get_code(module)) is not None:
        return code
    return compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
