"""The classes that the return annotation of a method names."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.handlers import Handler


def returned_classes(hint: Any) -> Iterator[type]:
    """Every class in an annotation, also inside of unions, lists, tuples and iterators."""
    if isinstance(hint, type) and hint is not Any and not typing.get_args(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from returned_classes(inner)


def check_returns(handler: Handler, label: str, wrong: Callable[[type], str | None]) -> None:
    """Raises DefinitionError if the method is annotated to return a class that is wrong.

    wrong: gives the problem with a class, None if there is none.
    """
    for cls in returned_classes(handler.returns):
        if (problem := wrong(cls)) is not None:
            raise DefinitionError(handler.where, f"{label} returns {cls.__name__}, {problem}")


def not_of(cls: type, what: str, returned: type) -> str | None:
    """The problem with a class that is returned in place of `what`, an object of `cls`; None if it fits."""
    related = returned in cls.__mro__ or cls in returned.__mro__
    return None if related else f"not {what}, which is a {cls.__name__}"
