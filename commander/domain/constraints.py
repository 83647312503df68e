"""The constraints that a field may declare (from annotated-types), and the check of a value against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import annotated_types as at

from commander.domain.errors import DefinitionError

_COMPARISONS: dict[type, tuple[str, Callable[[Any, Any], bool], str]] = {
    at.Gt: ("gt", lambda value, limit: bool(value > limit), "must be greater than"),
    at.Ge: ("ge", lambda value, limit: bool(value >= limit), "must be at least"),
    at.Lt: ("lt", lambda value, limit: bool(value < limit), "must be less than"),
    at.Le: ("le", lambda value, limit: bool(value <= limit), "must be at most"),
    at.MultipleOf: ("multiple_of", lambda value, step: bool(value % step == 0), "must be a multiple of"),
    at.MinLen: ("min_length", lambda value, limit: len(value) >= limit, "must have a length of at least"),
    at.MaxLen: ("max_length", lambda value, limit: len(value) <= limit, "must have a length of at most"),
}


def constraints_of(metadata: Iterable[Any], sample: object, where: str, at_field: str) -> tuple[Any, ...]:
    """The constraints in an annotation. sample: any value of the field's type.

    Raises DefinitionError for metadata that is not a constraint, and for a constraint that does not apply to
    values of this type.
    """
    constraints: list[Any] = []
    for declared in metadata:
        constraints += declared if isinstance(declared, at.GroupedMetadata) else (declared,)
    for constraint in constraints:
        if isinstance(constraint, at.Predicate):
            continue  # it may raise for the sample, so it is called with real values only
        if type(constraint) not in _COMPARISONS:
            problem = f"{constraint!r} is not a constraint that Commander can check"
            raise DefinitionError(where, f"{at_field}: {problem}")
        try:
            _holds(constraint, sample)
        except (TypeError, ArithmeticError) as error:
            problem = f"{constraint!r} does not apply to the field's type ({error})"
            raise DefinitionError(where, f"{at_field}: {problem}") from error
    return tuple(constraints)


def first_broken(constraints: Iterable[Any], value: Any) -> str | None:
    """What the first constraint that `value` breaks requires, as text; None if it breaks none."""
    for constraint in constraints:
        try:
            holds = _holds(constraint, value)
        except ArithmeticError:  # the comparison has no result in the number's range
            holds = False
        if not holds:
            return _described(constraint, value)
    return None


def _holds(constraint: Any, value: Any) -> bool:
    if isinstance(constraint, at.Predicate):
        return bool(constraint.func(value))
    attribute, compare, _ = _COMPARISONS[type(constraint)]
    limit = getattr(constraint, attribute)
    return limit is None or compare(value, limit)


def _described(constraint: Any, value: Any) -> str:
    if isinstance(constraint, at.Predicate):
        name = getattr(constraint.func, "__name__", "its predicate").replace("_", " ")
        return f"does not satisfy {name}"
    attribute, _, words = _COMPARISONS[type(constraint)]
    return f"{words} {getattr(constraint, attribute)}, got {len(value) if 'length' in words else value}"
