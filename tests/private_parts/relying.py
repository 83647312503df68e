"""Marks a test of what modules rely on in a library, and says so if it fails."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from importlib.metadata import version
from typing import Any

import pytest

Check = Callable[[], None]
PLACES: list[tuple[str, str]] = []
"""(module, library) of each test below."""


def relied_on(places: str, library: str, what: str) -> Callable[[Check], Check]:
    """A test of what these modules, separated by commas, rely on in a library."""
    PLACES.extend((module, library) for module in places.split(", "))

    def decorated(check: Check) -> Check:
        @wraps(check)
        def test() -> None:
            try:
                check()
            except Exception as error:
                found = f"{type(error).__name__}: {error}".partition("\n")[0]
                pytest.fail(
                    f"{places} relies on {what}; this is not so in {library} {version(library)}: {found}",
                    False,
                )

        return test

    return decorated


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def begins_with(function: Callable[..., Any], *names: str) -> None:
    """These are its first parameters."""
    found = parameters(function)[: len(names)]
    assert found == list(names), f"{function.__qualname__} takes {found}, not {list(names)}"


def accepts(function: Callable[..., Any], *names: str) -> None:
    """It can be called with these names."""
    missing = [name for name in names if name not in parameters(function)]
    assert not missing, f"{function.__qualname__} does not take {missing}"


def overrides(ours: type, theirs: type, *methods: str) -> None:
    """Each of our methods takes what the one that it overrides takes."""
    for method in methods:
        expected, found = parameters(getattr(theirs, method)), parameters(getattr(ours, method))
        passed_on = found[-2:] == ["args", "kwargs"]
        assert passed_on or found == expected, f"{theirs.__name__}.{method} takes {expected}, ours {found}"


def uses(function: Callable[..., Any], *names: str) -> None:
    """Its own code names these attributes, functions or arguments by keyword."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    there = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    there |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    there |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    there |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names}
    assert there >= set(names), f"{function.__qualname__} does not use {set(names) - there}"


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing returns."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError(f"{coroutine} waits")
