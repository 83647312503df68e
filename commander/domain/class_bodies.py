"""Mistakes in the body of a class that Python accepts in silence."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any, get_overloads

from commander.domain.errors import DefinitionError
from commander.domain.source import methods_of, where_is


def check_body(cls: type) -> None:
    """Raises DefinitionError for a method with the name of a field, a method that another one replaces, and
    an attribute without an annotation, which would not be a field.
    """
    annotated = inspect.get_annotations(cls)
    for name, value in cls.__dict__.items():
        if name.startswith("_"):
            continue
        at = f"{cls.__name__}.{name}"
        if name in annotated:
            if _is_method(value):
                problem = f"{at} is a field and a method; the method would be the field's default. Rename one"
                raise DefinitionError(where_is(getattr(value, "__func__", value)), problem)
        elif not (name.isupper() or callable(value) or hasattr(value, "__get__")):
            advice = f"write {name}: {type(value).__name__} = …, or name a constant in upper case"
            raise DefinitionError(where_is(cls), f"{at} has no annotation, so it is not a field: {advice}")
    for name, lines in methods_of(cls).items():
        defined = cls.__dict__.get(name)
        if len(lines) > 1 and _is_method(defined) and not _is_overloaded(defined):
            file = where_is(cls).rpartition(":")[0]
            problem = f"{cls.__name__}.{name} is defined twice; this one replaces the one at line {lines[0]}"
            raise DefinitionError(f"{file}:{lines[1]}", problem)


def check_still_frozen(cls: type, where: str) -> None:
    """Raises DefinitionError for a class that was made mutable after it was registered."""
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        problem = "write @dataclass(frozen=True) below the decorator of the domain, not above it"
        raise DefinitionError(where, f"{cls.__name__} is a mutable dataclass: {problem}")


def _is_method(value: object) -> bool:
    return isinstance(value, FunctionType | classmethod | staticmethod)


def _is_overloaded(value: Any) -> bool:
    return bool(get_overloads(getattr(value, "__func__", value)))
