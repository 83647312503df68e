"""`touches`: names the rows of a projection that an event changes, if they are not the row with its key."""

from __future__ import annotations

import inspect
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
    """How the rows are found; one of the three is set.

    fields: fields of the event that hold keys. keys: a function from the event to keys.
    column: (column of the row, field of the event); the two must be equal.
    """

    where: str
    fields: tuple[str, ...] = ()
    keys: Callable[[Any], Iterable[Any]] | None = None
    column: tuple[str, str] | None = None


def touches(*rows: str | Callable[[Any], Iterable[Any]], **column: str) -> Callable[[Handling], Handling]:
    """Names the rows of a projection that an event changes. The handler below it is called once per row.

    @touches("source_id", "target_id")        rows whose keys are in these fields of the event
    @touches(lambda event: event.item_ids)    rows whose keys the function returns
    @touches(owner_id="person_id")            rows whose column owner_id equals the event's field person_id

    A field that is None is skipped. A repeated key is one row. Raises DefinitionError for any other
    combination of arguments.
    """
    where = running()
    functions = [row for row in rows if callable(row)]
    for function in functions:
        if isinstance(function, staticmethod | classmethod) or not _takes_one(function):
            problem = "touches needs names of fields, or a function that takes the event, in parentheses"
            raise DefinitionError(where, problem)
    fields = tuple(row for row in rows if isinstance(row, str))
    if len(functions) + len(column) + bool(fields) != 1 or len(functions) + len(fields) != len(rows):
        problem = "touches() takes either names of fields, or one function, or one column=field"
        raise DefinitionError(where, problem)
    found = Touches(
        where, fields, functions[0] if functions else None, next(iter(column.items())) if column else None
    )

    def mark(handler: Handling) -> Handling:
        setattr(getattr(handler, "__func__", handler), _MARK, found)
        return handler

    return mark


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # a function in C without a signature
        pass
    return True


def declared(handler: Handler) -> Touches | None:
    """What @touches declares for this handler; None if it has none."""
    found: Touches | None = getattr(handler.function, _MARK, None)
    return found


def check(
    declaration: Touches, label: str, handler: Handler, event: EventType, row: Mapping[str, Field], key: Field
) -> None:
    """Raises DefinitionError for a field or column that does not exist or has the wrong type."""
    fields = {field.name: field for field in event.fields}
    for name in declaration.fields:
        if name not in fields:
            raise DefinitionError(declaration.where, f"{label}: {event.name} has no field {name}")
        if fields[name].type != key.type:
            problem = f"{event.name}.{name} must be of the same type as the key {key.name}"
            raise DefinitionError(declaration.where, f"{label}: {problem}")
    if declaration.column is None:
        return
    column, field = declaration.column
    if column not in row:
        raise DefinitionError(declaration.where, f"{label}: the projection has no column {column}")
    if field not in fields:
        raise DefinitionError(declaration.where, f"{label}: {event.name} has no field {field}")
    if row[column].type != fields[field].type or not isinstance(row[column].type, ScalarType | EnumType):
        problem = f"{event.name}.{field} must be a scalar or an enum, of the same type as the column {column}"
        raise DefinitionError(declaration.where, f"{label}: {problem}")
    if handler.bound == "class":
        problem = "rows that are found by a column already exist; make it a plain method that takes self"
        raise DefinitionError(declaration.where, f"{label}: {problem}")


def keys_by(declaration: Touches | None, key: Field) -> Callable[[Any], Sequence[Any]]:
    """A function from an event to the keys of its rows. It gives none if rows are found by a column."""
    if declaration is None:
        name = key.name
        return lambda event: (getattr(event, name),)
    if declaration.keys is not None:
        function = declaration.keys
        return lambda event: [_checked(key, found) for found in dict.fromkeys(function(event))]
    fields = declaration.fields
    return lambda event: [
        found for found in dict.fromkeys(getattr(event, name) for name in fields) if found is not None
    ]


def _checked(key: Field, found: Any) -> Any:
    """A key that the author's function returned. Raises TypeError unless it has the type of the row's key."""
    python = key.type.python
    kind = python if isinstance(python, type) else python.__supertype__  # BigInt
    if type(found) is not kind:
        raise TypeError(f"@touches gave the key {found!r}; {key.name} is of type {python.__name__}")
    return found
