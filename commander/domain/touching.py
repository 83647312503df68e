"""Which rows of a projection an event touches, where it is not the one whose key the event holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from commander.domain.errors import DefinitionError
from commander.domain.fields import EnumType, Field, ScalarType
from commander.domain.handlers import Handler
from commander.domain.messages import EventType
from commander.domain.source import running

Handling = TypeVar("Handling", bound=Callable[..., Any])
_MARK = "__commander_touches__"


@dataclass(frozen=True)
class Touches:
    """By one of: fields of the event that hold keys; a function from the event to keys; a row's column that
    equals a field of the event."""

    where: str
    fields: tuple[str, ...] = ()
    keys: Callable[[Any], Iterable[Any]] | None = None
    column: tuple[str, str] | None = None


def touches(*rows: str | Callable[[Any], Iterable[Any]], **column: str) -> Callable[[Handling], Handling]:
    """Says which rows of a projection an event touches; the handler below it is called once for each.

    @touches("source_id", "target_id")        those with these keys: fields of the event; None is no row
    @touches(lambda event: event.item_ids)    those with the keys that a function gives
    @touches(owner_id="person_id")            all whose column owner_id equals the event's field person_id

    A key that comes twice is one row. Raises DefinitionError for anything else.
    """
    where = running()
    functions = [row for row in rows if callable(row)]
    fields = tuple(row for row in rows if isinstance(row, str))
    if len(functions) + len(column) + bool(fields) != 1 or len(functions) + len(fields) != len(rows):
        problem = "touches() takes names of fields, or one function, or one column=field"
        raise DefinitionError(where, problem)
    found = Touches(
        where, fields, functions[0] if functions else None, next(iter(column.items())) if column else None
    )

    def mark(handler: Handling) -> Handling:
        setattr(getattr(handler, "__func__", handler), _MARK, found)
        return handler

    return mark


def declared(handler: Handler) -> Touches | None:
    """What was said of this handler, if anything."""
    found: Touches | None = getattr(handler.function, _MARK, None)
    return found


def check(
    said: Touches, label: str, handler: Handler, event: EventType, row: Mapping[str, Field], key: Field
) -> None:
    """Raises DefinitionError for a field or column that is not there, or of another type."""
    fields = {field.name: field for field in event.fields}
    for name in said.fields:
        if name not in fields:
            raise DefinitionError(said.where, f"{label}: {event.name} has no field {name}")
        if fields[name].type != key.type:
            problem = f"{event.name}.{name} must be of the same type as the key {key.name}"
            raise DefinitionError(said.where, f"{label}: {problem}")
    if said.column is None:
        return
    column, field = said.column
    if column not in row:
        raise DefinitionError(said.where, f"{label}: there is no column {column}")
    if field not in fields:
        raise DefinitionError(said.where, f"{label}: {event.name} has no field {field}")
    if row[column].type != fields[field].type or not isinstance(row[column].type, ScalarType | EnumType):
        problem = f"{event.name}.{field} must be a scalar or an enum, of the same type as the column {column}"
        raise DefinitionError(said.where, f"{label}: {problem}")
    if handler.bound == "class":
        problem = "rows that are found by a column are there already: take self"
        raise DefinitionError(said.where, f"{label}: {problem}")


def keys_by(said: Touches | None, key: Field) -> Callable[[Any], Sequence[Any]]:
    """The function from an event to the keys of the rows that it touches; by a column, none are known."""
    if said is None:
        name = key.name
        return lambda event: (getattr(event, name),)
    if said.keys is not None:
        function = said.keys
        return lambda event: [_checked(key, found) for found in dict.fromkeys(function(event))]
    fields = said.fields
    return lambda event: [
        found for found in dict.fromkeys(getattr(event, name) for name in fields) if found is not None
    ]


def _checked(key: Field, found: Any) -> Any:
    """What a function gave, if a row can have it as its key. Raises TypeError."""
    python = key.type.python
    kind = python if isinstance(python, type) else python.__supertype__  # BigInt
    if type(found) is not kind:
        raise TypeError(f"{found!r} is no {key.name}, which is of type {python.__name__}")
    return found
