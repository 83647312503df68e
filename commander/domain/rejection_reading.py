"""Reads in the code of functions with which codes they reject a command; see rejection_codes.py."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from commander.domain.errors import Rejected
from commander.domain.source import is_of_the_author

_NO_STATES: Mapping[str, type] = MappingProxyType({})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class CodeReader:
    """Reads functions. It parses each file once: use one object for a domain, then drop it."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, _Function]] = {}

    def codes_of(
        self, function: Callable[..., Any], cls: type | None, states: Mapping[str, type] = _NO_STATES
    ) -> dict[str, str]:
        """The codes of a function, with their messages. cls: the class that it is a method of.

        states: the classes of its parameters, as far as the function calls methods of them.
        """
        found: dict[str, str] = {}
        seen: set[tuple[Any, type | None]] = set()
        queue: list[tuple[Any, type | None]] = [(function, cls)]
        for one, owner in queue:  # it grows meanwhile
            one = inspect.unwrap(one)
            if not isinstance(one, FunctionType) or (one.__code__, owner) in seen:
                continue
            seen.add((one.__code__, owner))
            node = self._node(one)
            if node is not None:
                reading = _Reading(one, node, owner, states if one is function else _NO_STATES)
                for code, message in reading.codes():
                    found[code] = found.get(code) or message
                queue += reading.called()
        return found

    def _node(self, function: FunctionType) -> _Function | None:
        """The definition of a function. None if it is not the author's, or if its source is missing."""
        file = function.__code__.co_filename
        if not is_of_the_author(file):
            return None
        if file not in self._files:
            try:
                tree = ast.parse(Path(file).read_bytes())
            except (OSError, SyntaxError, ValueError):
                tree = ast.Module([], [])
            self._files[file] = {
                min([node.lineno, *(d.lineno for d in node.decorator_list)]): node
                for node in ast.walk(tree)
                if isinstance(node, _Function)
            }
        return self._files[file].get(function.__code__.co_firstlineno)


class _Reading:
    """One function: its definition, and what the names in it mean. cls: the class that it is a method of."""

    def __init__(
        self, function: FunctionType, node: _Function, cls: type | None, states: Mapping[str, type]
    ) -> None:
        self._node = node
        self._cls = cls
        self._self = node.args.args[0].arg if cls is not None and node.args.args else None
        self._variables = {**function.__globals__, **_captured(function), **states}
        self._assigned: dict[str, list[ast.expr]] = {}
        for one in ast.walk(node):
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                self._assigned.setdefault(one.targets[0].id, []).append(one.value)

    def codes(self) -> Iterator[tuple[str, str]]:
        """The codes that it rejects with itself, and their messages."""
        for node in ast.walk(self._node):
            if isinstance(node, ast.Call) and self._makes_rejection(node.func):
                given: dict[str | None, ast.expr] = {k.arg: k.value for k in node.keywords}
                given |= dict(zip(("code", "message"), node.args, strict=False))
                message = _message(given.get("message"))
                if (code := given.get("code")) is not None:
                    yield from ((text, message) for text in self._texts(code, frozenset()))

    def called(self) -> Iterator[tuple[Any, type | None]]:
        """The functions that it names, each with the class that it is a method of."""
        for node in ast.walk(self._node):
            if not isinstance(node, ast.Name | ast.Attribute):
                continue
            if _is_super(node) and self._cls is not None:
                for base in self._cls.__mro__:
                    yield _function_in(vars(base).get(node.attr)), self._cls  # type: ignore[union-attr]
                continue
            value, owner = self._value(node)
            if isinstance(value, type) and issubclass(value, Rejected):
                yield _function_in(vars(value).get("__init__")), value
            else:
                yield _function_in(value), owner

    def _makes_rejection(self, called: ast.expr) -> bool:
        if isinstance(called, ast.Attribute) and called.attr == "__init__" and self._cls is not None:
            return issubclass(self._cls, Rejected)  # super().__init__("CODE", …)
        value, _ = self._value(called)
        return isinstance(value, type) and issubclass(value, Rejected) and value.__init__ is Rejected.__init__

    def _texts(self, node: ast.expr, within: frozenset[str]) -> Iterator[str]:
        """The texts that an expression may be, as far as they can be read. within: the names it is of."""
        if isinstance(node, ast.IfExp):
            yield from self._texts(node.body, within)
            yield from self._texts(node.orelse, within)
        elif isinstance(node, ast.Constant):
            yield from [node.value] if isinstance(node.value, str) else []
        elif isinstance(node, ast.Name) and node.id in self._assigned:
            for assigned in self._assigned[node.id] if node.id not in within else ():
                yield from self._texts(assigned, within | {node.id})
        else:
            value, _ = self._value(node)
            if isinstance(value, str):
                yield str(value.value) if isinstance(value, Enum) else value

    def _value(self, node: ast.expr) -> tuple[Any, type | None]:
        """What a name or an attribute means, and the class that it was found in; None if it is not known."""
        if isinstance(node, ast.Name):
            if node.id == self._self and self._cls is not None:
                return self._cls, None
            return self._variables.get(node.id), None
        if not isinstance(node, ast.Attribute):
            return None, None
        of, _ = self._value(node.value)
        if isinstance(of, ModuleType):
            return vars(of).get(node.attr), None
        if isinstance(of, Enum):
            return getattr(of, node.attr, None) if node.attr in ("value", "name") else None, None
        if of is None:
            return None, None
        cls = of if isinstance(of, type) else type(of)
        return inspect.getattr_static(of, node.attr, None), cls


def _message(node: ast.expr | None) -> str:
    """A message, as far as it is a text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_message(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
    )


def _function_in(value: Any) -> Any:
    """The function of a method, a property or a class method; the value itself if it is none of them."""
    if isinstance(value, property):
        return value.fget
    return value.__func__ if isinstance(value, classmethod | staticmethod | MethodType) else value


def _captured(function: FunctionType) -> dict[str, Any]:
    """The variables of the functions around this one."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it is not set yet
            continue
    return found
