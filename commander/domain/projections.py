"""Projections: a row class whose methods say what each event does to a row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.fields import Field, fields_of
from commander.domain.handlers import handlers_of
from commander.domain.messages import EventType, docstring
from commander.domain.source import where_is


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
    """

    name: str
    plural: str
    cls: type
    key: str
    fields: tuple[Field, ...]
    handlers: Mapping[type, RowHandler]
    indexes: tuple[str, ...]
    doc: str
    fingerprint: str
    where: str

    @property
    def key_field(self) -> Field:
        return next(field for field in self.fields if field.name == self.key)

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
    indexes: tuple[str, ...],
    events: Mapping[type, EventType],
) -> ProjectionType:
    """Reads the row's fields and its handlers off `cls`, checking each."""
    where = where_is(cls)
    fields = fields_of(cls)
    names = {field.name for field in fields}
    for column in (key, *indexes):
        if column not in names:
            raise DefinitionError(where, f"{cls.__name__} has no field {column}")
    handlers: dict[type, RowHandler] = {}
    for handler in handlers_of(cls):
        label = f"{cls.__name__}.{handler.name}"
        if handler.parameter not in events:
            continue
        if handler.parameter in handlers:
            raise DefinitionError(handler.where, f"{label}: {handler.parameter.__name__} is handled twice")
        if not any(field.name == key for field in events[handler.parameter].fields):
            raise DefinitionError(
                handler.where, f"{label}: {handler.parameter.__name__} has no field {key} to find its row by"
            )
        creates = handler.bound == "class"
        if len(handler.rest) > (1 if creates else 0):
            raise DefinitionError(handler.where, f"{label} takes too much: an event, and at most a row")
        handlers[handler.parameter] = RowHandler(handler.function, creates, takes_row=bool(handler.rest))
    if not handlers:
        raise DefinitionError(where, f"{cls.__name__} handles no event of this domain")
    return ProjectionType(
        name, plural, cls, key, fields, handlers, indexes, docstring(cls), _fingerprint(cls, key), where
    )


def _fingerprint(cls: type, key: str) -> str:
    """Eight hex digits over the source of the class: another shape or another fold is another table."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        source = repr(sorted(cls.__annotations__.items()))
    return blake2b(f"{key}\n{source}".encode(), digest_size=4).hexdigest()
