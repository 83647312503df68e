"""Projections: a row class whose methods say what each event does to a row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.fields import EnumType, Field, FieldType, ListType, RecordType, ScalarType, fields_of
from commander.domain.handlers import handlers_of
from commander.domain.messages import EventType, docstring
from commander.domain.source import where_is

_MAX_COLUMN = 63  # the longest name in Postgres, which cuts off the rest without a word
_MAX_NAME = _MAX_COLUMN - len("projection__12345678")
_LAYOUT = 2
"""Of the tables; raise it when they are made otherwise from the same class."""

Indexes = tuple[str | tuple[str, ...], ...]
"""Columns, each with an index of its own; those in a tuple have one together."""


@dataclass(frozen=True)
class RowHandler:
    """How an event is applied to a row.

    creates: a classmethod or staticmethod, called without a row. takes_row: such a one that is given the row
    there is, or None, after the event. Otherwise the row is the method's self, and there must be one.
    """

    function: Callable[..., Any]
    creates: bool
    takes_row: bool


@dataclass(frozen=True)
class ProjectionType:
    """A read table: one row per key, made by folding the log.

    name and plural are the query fields (account, accounts). key is the row's field that identifies it;
    each event handled has a field of that name. fingerprint changes with the rows' shape or the code.
    indexes: the columns of each, to which the key is added. filterable: those that a filter may name.
    """

    name: str
    plural: str
    cls: type
    key: str
    fields: tuple[Field, ...]
    handlers: Mapping[type, RowHandler]
    indexes: tuple[tuple[str, ...], ...]
    filterable: tuple[Field, ...]
    doc: str
    fingerprint: str
    where: str

    @property
    def key_field(self) -> Field:
        return self.field(self.key)

    @property
    def orders(self) -> tuple[tuple[Field, ...], ...]:
        """The orders in which a list is read from an index: each ends with the key, so that it is total."""
        named = [(self.key,), *((*(c for c in index if c != self.key), self.key) for index in self.indexes)]
        return tuple(tuple(map(self.field, order)) for order in dict.fromkeys(named))

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    def key_of(self, event: Any) -> Any:
        """The key of the row that this event touches."""
        return getattr(event, self.key)

    def apply(self, row: Any | None, event: Any) -> Any | None:
        """The row after `event`, None when it is gone. Raises LookupError when there is no row to change."""
        handler = self.handlers[type(event)]
        if handler.takes_row:
            return handler.function(event, row)
        if handler.creates:
            return handler.function(event)
        if row is None:
            raise LookupError(f"there is no row with {self.key} {self.key_of(event)} to change")
        return handler.function(row, event)


def projection_type(
    cls: type,
    name: str,
    plural: str,
    key: str,
    indexes: Indexes,
    filterable: tuple[str, ...],
    events: Mapping[type, EventType],
) -> ProjectionType:
    """Reads the row's fields and its handlers off `cls`, checking each."""
    where = where_is(cls)
    fields = fields_of(cls)
    together = tuple((index,) if isinstance(index, str) else tuple(index) for index in indexes)
    indexed = {key, *(column for index in together for column in index)}
    for column in (key, *(column for index in together for column in index), *filterable):
        _check_sortable(fields, column, where, cls)
    key_field = next(field for field in fields if field.name == key)
    if key_field.optional:
        raise DefinitionError(where, f"{cls.__name__}.{key}: the key of a row cannot be None")
    _check_length(name, _MAX_NAME, where, name)
    for field in fields:
        _check_length(field.name, _MAX_COLUMN, where, f"{cls.__name__}.{field.name}")
    handlers: dict[type, RowHandler] = {}
    for handler in handlers_of(cls):
        label = f"{cls.__name__}.{handler.name}"
        if handler.parameter not in events:
            continue
        if handler.parameter in handlers:
            raise DefinitionError(handler.where, f"{label}: {handler.parameter.__name__} is handled twice")
        found = next((field for field in events[handler.parameter].fields if field.name == key), None)
        if found is None:
            raise DefinitionError(
                handler.where, f"{label}: {handler.parameter.__name__} has no field {key} to find its row by"
            )
        if found.type != key_field.type or found.optional:
            problem = f"{handler.parameter.__name__}.{key} must be of the same type as {cls.__name__}.{key}"
            raise DefinitionError(handler.where, f"{label}: {problem}")
        creates = handler.bound == "class"
        if len(handler.rest) > (1 if creates else 0):
            raise DefinitionError(handler.where, f"{label} takes too much: an event, and at most a row")
        handlers[handler.parameter] = RowHandler(handler.function, creates, takes_row=bool(handler.rest))
    if not handlers:
        raise DefinitionError(where, f"{cls.__name__} handles no event of this domain")
    return ProjectionType(
        name,
        plural,
        cls,
        key,
        fields,
        handlers,
        together,
        tuple(field for field in fields if field.name in indexed.union(filterable)),
        docstring(cls),
        _fingerprint(cls, key, fields),
        where,
    )


def _check_sortable(fields: tuple[Field, ...], column: str, where: str, cls: type) -> None:
    field = next((field for field in fields if field.name == column), None)
    if field is None:
        raise DefinitionError(where, f"{cls.__name__} has no field {column}")
    if not isinstance(field.type, ScalarType | EnumType):
        problem = "a list or a value object is neither a key nor indexed nor filtered by"
        raise DefinitionError(where, f"{cls.__name__}.{column}: {problem}")


def _check_length(name: str, most: int, where: str, what: str) -> None:
    if len(name) > most:
        raise DefinitionError(
            where, f"{what}: a name of more than {most} characters is too long for Postgres"
        )


def _shape(type_: FieldType) -> object:
    """What of a type the columns depend on and the source of the row's class does not show."""
    match type_:
        case EnumType(python):
            return [(member.name, member.value) for member in python]
        case RecordType(_, fields):
            return [(field.name, field.optional, _shape(field.type)) for field in fields]
        case ListType(_, item, optional_items):
            return [_shape(item), optional_items]
        case ScalarType(python):
            return str(python)


def _fingerprint(cls: type, key: str, fields: tuple[Field, ...]) -> str:
    """Eight hex digits over the source of the class: another shape or another fold is another table."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        source = repr(sorted(cls.__annotations__.items()))
    shapes = [(field.name, field.optional, _shape(field.type)) for field in fields]
    return blake2b(f"{_LAYOUT}\n{key}\n{source}\n{shapes}".encode(), digest_size=4).hexdigest()
