"""Look-ups: a decider takes a state that is found by a unique key, in place of the key of its stream.

    @bank.decider(source="from_id", target=by("email", "to_email"))
    def transfer(command: Transfer, source: Account, target: Found[Account] | None) -> ...

The state is that of the stream that holds the key when the decision is stored.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from commander.domain.aggregates import AggregateType
from commander.domain.annotations import unwrapped
from commander.domain.errors import DefinitionError
from commander.domain.fields import EnumType, Field, ScalarType
from commander.domain.messages import CommandType, EventType
from commander.domain.unique import UniqueRule

S = TypeVar("S")

_KEY_FROM: Mapping[Any, Callable[[str], Any]] = {
    UUID: UUID,
    str: str,
    int: int,
    date: date.fromisoformat,
}


@dataclass(frozen=True)
class Found(Generic[S]):
    """A state that a decider takes by a unique key. key: of its stream, as its events have it."""

    key: Any
    state: S


@dataclass(frozen=True)
class By:
    """What `by` was given."""

    rule: str
    fields: tuple[str, ...]


def by(rule: str, *fields: str) -> By:
    """Says by which unique key a decider finds a state: decider(target=by("email", "to_email")).

    rule: the name of a unique key of the state's aggregate. fields: those of the command with the values of
    the key, in its order. By default they have the names of the key's fields.
    """
    return By(rule, fields)


class KeySource(msgspec.Struct, frozen=True):
    """A unique key that a state is found by. rule: the stored name.

    key: its text, see UniqueRule; None: one of its values is None, so no stream holds it.
    """

    rule: str
    key: str | None


@dataclass(frozen=True)
class LookUp:
    """How a state is found. rule: of the unique key. key_from: gives the key of a stream from its text."""

    rule: UniqueRule
    key_from: Callable[[str], Any]

    def source_of(self, values: Iterable[Any]) -> KeySource:
        """What is looked up for these values of the key. Raises InvalidDecision as UniqueRule.key_of."""
        return KeySource(self.rule.stored_name, self.rule.key_of(*values))

    def found(self, stream: str, state: Any) -> Found[Any]:
        """What a decider takes. stream: the one that holds the key."""
        return Found(self.key_from(stream.partition("-")[2]), state)


def found_class(hint: Any, name: str, label: str, where: str) -> Any:
    """The class X of an annotation `Found[X] | None`; None for any other annotation.

    Raises DefinitionError for a Found that is written in another way.
    """
    bare, optional, _ = unwrapped(hint)
    if bare is not Found and typing.get_origin(bare) is not Found:
        return None
    if bare is Found or not optional:
        problem = f"annotate {name} with Found[…] | None: it is None if no stream holds the key"
        raise DefinitionError(where, f"{label}: {problem}")
    return typing.get_args(bare)[0]


def look_up_of(
    given: Any,
    aggregate: AggregateType,
    command: CommandType,
    others: Iterable[Field],
    events: Mapping[type, EventType],
    label: str,
    where: str,
) -> tuple[LookUp, tuple[str, ...]]:
    """How a state of an aggregate is found, and the command's fields with the key.

    given: for the parameter. others: the fields of commands that have the key of such a stream.
    Raises DefinitionError.
    """
    cls = aggregate.cls.__name__
    if not isinstance(given, By):
        problem = f'say by which unique key of {cls} it is found: by("…", "…")'
        raise DefinitionError(where, f"{label}: {problem}")
    rule = next((one for one in aggregate.unique if one.name == given.rule), None)
    if rule is None:
        known = ", ".join(one.name for one in aggregate.unique) or "none"
        raise DefinitionError(where, f"{label}: {cls} has no unique key {given.rule!r:.80}; it has {known}")
    names = given.fields or rule.fields
    if not names:
        problem = f"the unique key {rule.name} has no fields; say which of {command.name} have its values"
        raise DefinitionError(where, f'{label}: {problem}: by("{rule.name}", "…")')
    if rule.fields and len(names) != len(rule.fields):
        problem = f"needs a field of {command.name} for each of {', '.join(rule.fields)}, got {names}"
        raise DefinitionError(where, f"{label}: {problem}")
    for index, name in enumerate(names):
        _check_field(command, name, rule, index, label, where)
    keys = [one for cls in aggregate.evolvers for one in events[cls].fields if one.name == aggregate.key]
    return LookUp(rule, _key_from(aggregate, [*others, *keys], label, where)), names


def _check_field(
    command: CommandType, name: str, rule: UniqueRule, index: int, label: str, where: str
) -> None:
    """Raises DefinitionError unless the command's field has values of the key."""
    found = next((one for one in command.fields if one.name == name), None)
    if found is None:
        problem = f"{command.name} has no field {name!r:.80} with the unique key {rule.name}"
        raise DefinitionError(where, f"{label}: {problem}")
    if rule.types and found.type != rule.types[index]:
        expected = f"{rule.types[index].python.__name__}, as the field {rule.fields[index]} of the key is"
        raise DefinitionError(where, f"{label}: {command.name}.{name} must be a {expected}")
    if not isinstance(found.type, ScalarType | EnumType) or found.type.python is float:
        raise DefinitionError(where, f"{label}: {command.name}.{name} cannot be part of a unique key")


def _key_from(
    aggregate: AggregateType, keys: Iterable[Field], label: str, where: str
) -> Callable[[str], Any]:
    """The function from the text of a stream's key to the key."""
    types = {one.python for one in keys}
    if len(types) == 1 and (found := _KEY_FROM.get(next(iter(types)))) is not None:
        return found
    cls, key = aggregate.cls.__name__, aggregate.key
    names = ", ".join(sorted(getattr(one, "__name__", "a list") for one in types)) or "it has none"
    problem = f"the commands and events of {cls} must have {key}, its key, in one type that a key may have"
    problem = f"{problem}; found: {names}"
    raise DefinitionError(where, f"{label}: {problem}")
