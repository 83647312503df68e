"""The error of a decorator that is written without its parentheses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from commander.domain.errors import DefinitionError
from commander.domain.source import where_is

P = ParamSpec("P")
R = TypeVar("R")


def needs_parentheses(
    usage: str, *, takes_classes: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a method that returns a decorator refuse to be the decorator itself.

    usage: what to write instead. takes_classes: whether its first argument may be a class.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given: tuple[Any, ...] = args[1:]
            if len(given) == 1 and not kwargs:
                [one] = given
                if inspect.isfunction(one) or (inspect.isclass(one) and not takes_classes):
                    problem = f"write the decorator with parentheses: {usage}"
                    raise DefinitionError(where_is(one), f"{one.__name__}: {problem}")
            return method(*args, **kwargs)

        return checked

    return decorate
