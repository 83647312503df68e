"""Unique keys: values that no two streams of an aggregate have at the same time.

    @school.aggregate(key="student_id", unique=("email", ("first", "last")))

A key is made of values of the state. A stream has the keys of its last state and no others. A state in which
a value is None has no key. Two keys are the same if their canonical texts are; see UniqueRule.keys_of.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from commander.domain.annotations import unwrapped
from commander.domain.checking import of_another_type, unusable_scalar
from commander.domain.digests import exact_decimal
from commander.domain.errors import RAISED, DefinitionError, InvalidDecision, Rejected, timed_out
from commander.domain.fields import SCALARS, BigInt, EnumType, ScalarType
from commander.domain.names import check_name
from commander.domain.source import raised

NOT_UNIQUE = "NOT_UNIQUE"
"""The code with which a command is rejected that would give a stream a key that another stream has."""

MAX_KEY_BYTES = 500
"""The longest text of a key, in bytes of UTF-8. A digest stands for a longer one."""

_INTEGER_DIGITS = 19
_KEY_TYPES = (str, bool, int, Decimal, UUID, datetime, date, time, Enum)
_encoder = msgspec.json.Encoder(decimal_format="number")


class Unique:
    """A rule for the keys of an aggregate that have a function.

    Unique("email", normalise=str.casefold)
    Unique("phones", keys=lambda student: student.phones)

    fields: of the state. Without `keys`, their values together are the key.
    name: of the rule; by default the fields, joined by _. The keys are stored under it.
    keys: takes the state, and gives all of its keys: values, or tuples of values. None is no key.
    normalise: takes the values of a key, each as one argument, and gives the value, or the tuple of values,
    that is compared. None is no key. It is not called for a key with a None.

    Both functions are pure.
    """

    def __init__(
        self,
        *fields: str,
        name: str | None = None,
        keys: Callable[[Any], Iterable[Any] | None] | None = None,
        normalise: Callable[..., Any] | None = None,
    ) -> None:
        self.fields = fields
        self.name = name
        self.keys = keys
        self.normalise = normalise


_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class UniqueRule:
    """What no two streams of an aggregate have in common.

    aggregate: its stored name. fields: of the state; () if `keys` gives the keys. types: of these fields.
    """

    aggregate: str
    name: str
    fields: tuple[str, ...]
    types: tuple[ScalarType | EnumType, ...] = field(default=(), repr=False)
    keys: Callable[[Any], Iterable[Any] | None] | None = field(default=None, repr=False)
    normalise: Callable[..., Any] | None = field(default=None, repr=False)

    @property
    def stored_name(self) -> str:
        """The name under which the keys are stored."""
        return f"{self.aggregate}.{self.name}"

    @property
    def rejection(self) -> Rejected:
        """The rejection of a command that would give a stream a key that another stream has."""
        return Rejected(NOT_UNIQUE, f"already taken: {' and '.join(self.fields or (self.name,))}")

    def keys_of(self, state: Any) -> frozenset[str]:
        """The canonical texts of all keys of this state.

        Raises InvalidDecision if a function of the rule raises, or if a value cannot be part of a key.
        """
        if self.keys is None:  # the usual case, for each command of such an aggregate
            key = self.key_of(*[getattr(state, name) for name in self.fields])
            return _NONE if key is None else frozenset((key,))
        found = (self.key_of(*_as_key(values)) for values in self._called(self._listed_keys, state))
        return frozenset(key for key in found if key is not None)

    def may_differ(self, before: Any, after: Any) -> bool:
        """Whether two states can have different keys. The values of fields are compared, the keys are not."""
        if self.keys is not None:
            return before is not after
        return any([getattr(before, name) is not getattr(after, name) for name in self.fields])

    def key_of(self, *values: Any) -> str | None:
        """The canonical text of the key with these values, in the order of the fields; None if one is None.

        It is a list in JSON: times in UTC, numbers of the same value with the same text. A text of more than
        MAX_KEY_BYTES is replaced by its SHA-256. Raises InvalidDecision as `keys_of`.
        """
        if None in values:
            return None
        for name, type_, value in zip(self.fields, self.types, values, strict=bool(self.fields)):
            if type(value) is not type_.python and (wrong := of_another_type(type_, value)) is not None:
                raise self._invalid(f"{name} {wrong}")
        if self.normalise is not None:
            values = _as_key(self._called(self.normalise, *values))
            if None in values:
                return None
        text = _encoder.encode([self._canonical(value) for value in values])
        return text.decode() if len(text) <= MAX_KEY_BYTES else f"sha256:{sha256(text).hexdigest()}"

    def _listed_keys(self, state: Any) -> Sequence[Any]:
        assert self.keys is not None, "it is called only then"
        keys = self.keys(state)
        if keys is None:
            return ()
        if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
            raise self._invalid(f"its function gave {keys!r:.80}, not several keys")
        return tuple(keys)

    def _called(self, function: Callable[..., Any], *given: Any) -> Any:
        try:
            return function(*given)
        except InvalidDecision:
            raise
        except RAISED as error:  # the author's code may raise anything
            if timed_out(error):
                raise
            raise self._invalid(f"its function raised {raised(error)}") from error

    def _canonical(self, value: Any) -> Any:
        if type(value) is UUID or (type(value) is str and value.isascii() and "\0" not in value):
            return value
        if not isinstance(value, _KEY_TYPES):
            raise self._invalid(f"{type(value).__name__} {value!r:.80} cannot be part of a key")
        if isinstance(value, Enum):
            value = value.value
        if (wrong := unusable_scalar(value)) is not None:
            raise self._invalid(f"a value {wrong}")
        if isinstance(value, Decimal):
            return _number(exact_decimal(value))
        return value.astimezone(UTC) if isinstance(value, datetime) else value

    def _invalid(self, problem: str) -> InvalidDecision:
        return InvalidDecision(f"the unique key {self.stored_name}: {problem}")


def _as_key(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _number(value: Decimal) -> Decimal | int:
    """A whole number as an int, if it fits into 64 bits: both have the same text then."""
    whole = value == 0 or (int(value.as_tuple().exponent) >= 0 and value.adjusted() < _INTEGER_DIGITS)
    return int(value) if whole else value


def unique_rules(cls: type, given: Any, aggregate: str, where: str) -> tuple[UniqueRule, ...]:
    """The rules that an aggregate was given. aggregate: its stored name. Raises DefinitionError."""
    if isinstance(given, str | Unique) or not isinstance(given, Iterable):
        shown = repr(given) if isinstance(given, str) else "Unique(…)"
        problem = f"unique must be a tuple of fields: unique=({shown},)"
        raise DefinitionError(where, f"{cls.__name__}: {problem}")
    rules: dict[str, UniqueRule] = {}
    for one in given:
        rule = _rule(cls, _as_unique(cls, one, where), aggregate, where)
        if rule.name in rules:
            problem = f"two unique keys have the name {rule.name}; give one another: Unique(…, name=…)"
            raise DefinitionError(where, f"{cls.__name__}: {problem}")
        rules[rule.name] = rule
    return tuple(rules.values())


def _as_unique(cls: type, given: Any, where: str) -> Unique:
    if isinstance(given, Unique):
        return given
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        problem = f"unique has {given!r:.80}; it takes a field, a tuple of fields, or Unique(…)"
        raise DefinitionError(where, f"{cls.__name__}: {problem}")
    return Unique(*names)


def _rule(cls: type, given: Unique, aggregate: str, where: str) -> UniqueRule:
    names = tuple(given.fields)
    if not all(isinstance(name, str) for name in names):
        raise DefinitionError(where, f"{cls.__name__}: Unique takes names of fields, got {names!r:.80}")
    if given.keys is None and not names:
        raise DefinitionError(where, f"{cls.__name__}: a unique key needs a field, or Unique(keys=…, name=…)")
    if not names and given.name is None:
        raise DefinitionError(where, f"{cls.__name__}: a unique key without a field needs a name")
    if len(set(names)) < len(names):
        raise DefinitionError(where, f"{cls.__name__}: the unique key {names} has a field twice")
    name = "_".join(names) if given.name is None else given.name
    label = f"{cls.__name__}: the unique key {name}"
    if not isinstance(name, str):
        raise DefinitionError(where, f"{cls.__name__}: the name {name!r:.80} of a unique key must be a text")
    check_name(name, where, label)
    _check_functions(given, label, where)
    known = [one.name for one in fields(cls)]
    for one in names:
        if one not in known:
            problem = f"{cls.__name__} has no field {one}; it has {', '.join(known)}"
            raise DefinitionError(where, f"{label}: {problem}")
    if given.keys is not None:
        return UniqueRule(aggregate, name, (), (), given.keys, given.normalise)
    types = tuple(_types(cls, names, label, where))
    return UniqueRule(aggregate, name, names, types, None, given.normalise)


def _check_functions(given: Unique, label: str, where: str) -> None:
    for option, function in (("keys", given.keys), ("normalise", given.normalise)):
        if function is not None and not callable(function):
            raise DefinitionError(where, f"{label}: {option} must be a function, got {function!r:.80}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(where, f"{label}: {option} is async; domain code must be synchronous")


def _types(cls: type, names: Sequence[str], label: str, where: str) -> Iterator[ScalarType | EnumType]:
    """The types of these fields of the state."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True, localns={cls.__name__: cls})
    except Exception as error:  # an annotation in quotes may hold anything
        raise DefinitionError(where, f"{label}: an annotation cannot be read: {error}") from error
    for name in names:
        bare, _, _ = unwrapped(hints[name])
        if isinstance(bare, type) and issubclass(bare, Enum):
            yield EnumType(bare)
        elif bare in SCALARS and bare is not float:
            yield ScalarType(bare)
        else:
            problem = (
                f"{name} must be a str, bool, int, {BigInt.__name__}, Decimal, UUID, datetime, date, time"
            )
            advice = "use keys=… for values in it; two floats are seldom exactly equal"
            raise DefinitionError(where, f"{label}: {problem} or an Enum, or None ({advice})")
