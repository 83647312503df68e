"""The texts that stand below the attributes of a class: what editors show for them, and what the API says.

    class Deposit:
        amount: Decimal
        '''The amount in euros.'''

Python drops these texts, so they are read from the source, once per module and only by what shows them. They
are not part of a fingerprint.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def attribute_docs(cls: type) -> Mapping[str, str]:
    """The text below each attribute of a class, by name, inherited ones too. Empty if there is no source."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ not in _WITHOUT:
            found |= _of_module(base.__module__).get(base.__qualname__, {})
    return found


_WITHOUT = ("builtins", "enum", "typing", "abc")


@lru_cache(maxsize=64)
def _of_module(module: str) -> Mapping[str, Mapping[str, str]]:
    """The texts of the classes in a module, by qualified name."""
    try:
        return dict(_classes(ast.parse(_source_of(module)).body, ""))
    except (OSError, ImportError, SyntaxError, ValueError):  # the source may be missing
        return {}


def _source_of(module: str) -> str | bytes:
    imported = sys.modules.get(module)
    loader: Any = getattr(getattr(imported, "__spec__", None), "loader", None)
    source: str | None = loader.get_source(module) if hasattr(loader, "get_source") else None
    if source is not None:
        return source
    file = getattr(imported, "__file__", None)  # a script
    return "" if file is None else Path(file).read_bytes()


def _classes(body: Sequence[ast.stmt], within: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            name = f"{within}{node.name}"
            yield name, dict(_texts(node.body))
            yield from _classes(node.body, f"{name}.")
        elif isinstance(node, _FUNCTIONS):
            yield from _classes(node.body, f"{within}{node.name}.<locals>.")
        else:
            for part in ("body", "orelse", "finalbody"):
                yield from _classes(getattr(node, part, ()), within)


def _texts(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node, below in pairwise(body):
        match node, below:
            case (
                ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
