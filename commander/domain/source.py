"""The file and line of a definition, for error messages."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from traceback import format_exception
from types import CodeType
from typing import Any

_THIS_FOLDER = os.path.dirname(__file__)
_PACKAGE = os.path.dirname(_THIS_FOLDER) + os.sep
_EXAMPLES = os.path.join(_PACKAGE, "examples", "")
_MOST_OF_A_TRACEBACK = 8000
_PYTHON = os.path.dirname(os.__file__) + os.sep


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
    body = None if file is None else _bodies(module, file).get(definition.__qualname__)
    if body is None:
        return f"{module}.{definition.__qualname__}"
    return f"{file}:{body.line}"


def methods_of(cls: type) -> Mapping[str, Sequence[int]]:
    """The first line of each function in the body of a class, by name. Empty if there is no source.

    A name that is defined twice has two lines.
    """
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    body = None if file is None else _bodies(cls.__module__, file).get(cls.__qualname__)
    return {} if body is None else body.methods


def raised(error: BaseException) -> str:
    """The type and the message of an error, and file:line of the author's code that raised it.

    The author's code is neither Commander's nor a library's. The last of its lines counts.
    """
    return f"{type(error).__name__}: {error}{place_of(error)}"


def traceback_of(error: BaseException) -> str:
    """The traceback of an error as Python prints it, at most its last 8000 characters. It can be stored."""
    text = "".join(format_exception(error))[-_MOST_OF_A_TRACEBACK:]
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def place_of(error: BaseException) -> str:
    """File:line of the author's code that raised the error or its cause, in brackets; empty if none did."""
    place, traceback = "", error.__traceback__
    if error.__cause__ is not None:
        place = place_of(error.__cause__)
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_of_the_author(file):
            place = f" ({file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return place


def is_of_the_author(file: str) -> bool:
    """Whether a file is neither Commander's nor a library's."""
    ours = file.startswith(_PACKAGE) and not file.startswith(_EXAMPLES)
    return not (ours or "site-packages" in file or file.startswith(_PYTHON))


@dataclass(frozen=True)
class _Body:
    """The body of a class. line: its first line, decorators included. methods: see methods_of."""

    line: int
    methods: Mapping[str, Sequence[int]]


@lru_cache(maxsize=64)  # inspect would parse the whole file again for each of its classes
def _bodies(module: str, file: str) -> Mapping[str, _Body]:
    """The bodies of the classes in a module, by qualified name.

    Its compiled code has them, and costs a process next to nothing. To parse the source costs 0.5 MB.
    """
    bodies: dict[str, _Body] = {}

    def visit(code: CodeType) -> None:
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                if not inner.co_flags & inspect.CO_OPTIMIZED:  # the body of a class, not a function
                    bodies[inner.co_qualname] = _Body(inner.co_firstlineno, _functions_in(inner))
                visit(inner)

    with contextlib.suppress(OSError, ImportError, SyntaxError):  # the source may be missing
        visit(_code_of(module, file))
    return bodies


def _functions_in(body: CodeType) -> Mapping[str, Sequence[int]]:
    lines: dict[str, list[int]] = {}
    for inner in body.co_consts:
        if isinstance(inner, CodeType) and inner.co_flags & inspect.CO_OPTIMIZED:
            lines.setdefault(inner.co_name, []).append(inner.co_firstlineno)
    return lines


def _code_of(module: str, file: str) -> CodeType:
    """As it was compiled for the import; compiled again for a script, which was not imported."""
    loader = getattr(getattr(sys.modules[module], "__spec__", None), "loader", None)
    if isinstance(loader, SourceFileLoader) and (code := loader.get_code(module)) is not None:
        return code
    return compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
