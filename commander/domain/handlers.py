"""Finds the methods of a class that handle commands or events, by the annotation of their parameter."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.source import where_is


@dataclass(frozen=True)
class Handler:
    """A method and its parameters. bound: 'instance' if it takes self, 'class' if it does not."""

    name: str
    function: Callable[..., Any]
    parameter: Any
    rest: tuple[Any, ...]
    returns: Any
    bound: str
    where: str


def handlers_of(cls: type) -> Iterator[Handler]:
    """The public methods of `cls` that take a parameter, in the order of the source; inherited ones are not.

    Raises DefinitionError for an async method and for a parameter without an annotation.
    """
    for name, member in cls.__dict__.items():
        if name.startswith("_") or isinstance(member, property | type):
            continue
        bound = "class" if isinstance(member, classmethod | staticmethod) else "instance"
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if not inspect.isfunction(function):
            continue
        parameters = list(inspect.signature(function).parameters)
        if not isinstance(member, staticmethod):
            parameters = parameters[1:]
        if not parameters:
            continue
        where = where_is(function)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(where, f"{cls.__name__}.{name} is async; domain code must be synchronous")
        hints = hints_of(function, where, f"{cls.__name__}.{name}", {cls.__name__: cls})
        if parameters[0] not in hints:
            raise DefinitionError(where, f"{cls.__name__}.{name}: annotate {parameters[0]} with its type")
        called = function if isinstance(member, staticmethod) else getattr(cls, name)
        yield Handler(
            name=name,
            function=called,
            parameter=hints[parameters[0]],
            rest=tuple(hints.get(p) for p in parameters[1:]),
            returns=hints.get("return"),
            bound=bound,
            where=where,
        )


def handled_twice(message: type) -> str:
    """The text of the error when two methods of a class handle the same event or command."""
    return f"another method already handles {message.__name__}; merge the two"


def hints_of(
    function: Callable[..., Any], where: str, label: str, scope: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The annotations of a function, by parameter. scope: names that its module does not define yet.

    Raises DefinitionError if an annotation cannot be evaluated.
    """
    names = {**vars(sys.modules[function.__module__]), **(scope or {})}
    try:
        return typing.get_type_hints(function, globalns=names)
    except Exception as error:  # an annotation in quotes may hold anything
        raise DefinitionError(where, f"{label}: {error}") from error
