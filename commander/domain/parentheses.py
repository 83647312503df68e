"""The errors of a decorator without its parentheses, and of one with arguments that it does not take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from commander.domain.errors import DefinitionError
from commander.domain.source import running, where_is

P = ParamSpec("P")
R = TypeVar("R")


def takes(usage: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a method raise DefinitionError for arguments that it does not take. usage: what to write."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(method)

        @wraps(method)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                problem = f"@domain.{method.__name__}: {error}; write {usage}"
                raise DefinitionError(running(), problem) from None
            return method(*args, **kwargs)

        return checked

    return decorate


def needs_parentheses(
    usage: str, *, takes_classes: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a method that returns a decorator refuse to be the decorator itself. See `takes` too.

    usage: what to write instead. takes_classes: whether its first argument may be a class.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        bound = takes(usage)(method)

        @wraps(method)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given: tuple[Any, ...] = args[1:]
            if len(given) == 1 and not kwargs:
                [one] = given
                if inspect.isfunction(one) or (inspect.isclass(one) and not takes_classes):
                    problem = f"write the decorator with parentheses: {usage}"
                    raise DefinitionError(where_is(one), f"{one.__name__}: {problem}")
            return bound(*args, **kwargs)

        return checked

    return decorate
