"""The constraints that a field may declare (from annotated-types), and the check of a value against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Doc:
    """The description of a field in the GraphQL schema: Annotated[int, Doc("How many items.")]."""

    documentation: str


@dataclass(frozen=True)
class Message:
    """What a client is told when a value breaks the constraint directly before it.

    Annotated[str, MinLen(3), Message("a name has at least three letters"), MaxLen(40)]

    After one that stands for several, such as `Len`, it is the message of each of them.
    """

    text: str


def constraints_of(metadata: Iterable[Any], sample: object, where: str, at_field: str) -> tuple[Any, ...]:
    """The constraints in an annotation, each followed by its Message, if it has one.

    sample: any value of the field's type.

    Raises DefinitionError for metadata that is not a constraint, for a constraint that does not apply to
    values of this type, and for a Message without text or without a constraint before it.
    """
    constraints: list[Any] = []
    before: list[Any] = []
    for declared in metadata:
        if isinstance(declared, Message):
            _check_message(declared, before, where, at_field)
            constraints[-len(before) :] = [one for constraint in before for one in (constraint, declared)]
            before = []
        else:
            before = list(declared) if isinstance(declared, at.GroupedMetadata) else [declared]
            constraints += before
    for constraint in constraints:
        if isinstance(constraint, at.Predicate | Message):
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


def _check_message(message: Message, before: Sequence[Any], where: str, at_field: str) -> None:
    if not isinstance(message.text, str) or not message.text.strip():
        raise DefinitionError(where, f"{at_field}: {message!r} must have a text")
    if not before:
        problem = f"{message!r} must stand directly behind the constraint that it is for"
        raise DefinitionError(where, f"{at_field}: {problem}")


def first_broken(constraints: Sequence[Any], value: Any) -> str | None:
    """The message of the first constraint that `value` breaks; None if it breaks none.

    Without a Message of the author's, it says what the constraint requires.
    """
    for index, constraint in enumerate(constraints):
        if isinstance(constraint, Message):
            continue
        try:
            holds = _holds(constraint, value)
        except ArithmeticError:  # the comparison has no result in the number's range
            holds = False
        if not holds:
            message = constraints[index + 1] if index + 1 < len(constraints) else None
            return message.text if isinstance(message, Message) else _described(constraint, value)
    return None


def in_words(constraints: Sequence[Any]) -> list[str]:
    """What each constraint requires, as a client reads it in the schema: its Message, if it has one."""
    words: list[str] = []
    for constraint in constraints:
        attribute, _, required = _COMPARISONS.get(type(constraint), ("", None, ""))
        if isinstance(constraint, Message):
            words[-1:] = [constraint.text]
        elif isinstance(constraint, at.Predicate):
            words.append(_name_of(constraint))
        elif (limit := getattr(constraint, attribute)) is not None:
            words.append(f"{required.removeprefix('must be ').removeprefix('must have ')} {limit}")
    return list(dict.fromkeys(words))


def _name_of(predicate: at.Predicate) -> str:
    name = getattr(predicate.func, "__name__", "its predicate")
    return "a predicate of the domain" if name == "<lambda>" else name.replace("_", " ").strip()


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
