"""Projections: row classes whose methods apply events to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property, partial
from typing import Any

from commander.domain.defaults import check_defaults
from commander.domain.errors import DefinitionError
from commander.domain.fields import EnumType, Field, FieldType, ListType, RecordType, ScalarType, fields_of
from commander.domain.handlers import Handler, handled_twice, handlers_of
from commander.domain.messages import EventType, docstring, registered
from commander.domain.naming import GivenNames
from commander.domain.returns import check_returns, not_of
from commander.domain.rules import Rule, Visibility, row_rule
from commander.domain.source import where_is
from commander.domain.touching import Touches, check, declared, keys_by

_MAX_COLUMN = 63  # the longest name in Postgres, which silently truncates a longer one
_MAX_NAME = _MAX_COLUMN - len("projection__12345678")
ROW_FIELDS = frozenset({"id"})
"""The names that the API gives to fields of its own, on each row."""
_LAYOUT = 2
"""The version of the table layout. Increase it when the same class gives a different table."""

Indexes = tuple[str | tuple[str, ...], ...]
"""Each column has an index of its own. A tuple of columns has one index over all of them."""
_TAKES = "an event, then optionally the row, then with @touches the row's key"


@dataclass(frozen=True)
class RowHandler:
    """How an event is applied to each row that it touches.

    creates: a classmethod or staticmethod, which needs no existing row. Otherwise the row is the method's
    self, and it must exist.
    takes: how many arguments a creating method takes after the event: the existing row or None, then its key.
    keys: a function from an event to the keys of its rows.
    column: (column, event field) if rows are found by a column's value instead.
    by_own_key: the event has one row, whose key is in the event's field with the key's name.
    """

    function: Callable[..., Any]
    creates: bool
    takes: int
    keys: Callable[[Any], Sequence[Any]]
    column: tuple[str, str] | None
    by_own_key: bool


@dataclass(frozen=True)
class ProjectionType:
    """A read table: one row per key, made by folding the log.

    name: the stored name: of its tables and for operators. query and plural: the query fields (account,
    accounts).
    key: the field that identifies a row.
    indexes: the columns of each index; the key is added to each. A reference with a list on the other side
    has one.
    filterable: the fields that a filter may use.
    inline: rows are written in the transaction of the events.
    fingerprint_by: makes the fingerprint, which changes with the shape of the rows or the code.
    visible: who sees a row; None: operators alone.
    """

    name: str
    query: str
    plural: str
    cls: type
    key: str
    fields: tuple[Field, ...]
    handlers: Mapping[type, RowHandler]
    indexes: tuple[tuple[str, ...], ...]
    filterable: tuple[Field, ...]
    doc: str
    fingerprint_by: Callable[[ProjectionType], str] = dataclass_field(compare=False, repr=False)
    where: str
    inline: bool = False
    visible: Rule | None = dataclass_field(default=None, compare=False, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Eight hex digits over the code and the layout. A different fingerprint is a new table."""
        return self.fingerprint_by(self)

    @property
    def layout(self) -> str:
        """What the table is made by, beside the code: the key, the indexes, the types of the columns."""
        shapes = [(one.name, one.optional, _shape(one.type)) for one in self.fields]
        return f"{_LAYOUT} {self.key} {self.indexes} {self.inline} {shapes}"

    @property
    def key_field(self) -> Field:
        return self.field(self.key)

    @property
    def orders(self) -> tuple[tuple[Field, ...], ...]:
        """The sort orders that an index supports. Each ends with the key, so that it is a total order."""
        named = [(self.key,), *((*(c for c in index if c != self.key), self.key) for index in self.indexes)]
        return tuple(tuple(map(self.field, order)) for order in dict.fromkeys(named))

    def orders_of_link(self, field: Field) -> tuple[tuple[Field, ...], ...]:
        """The sort orders of the rows that refer to one row by this field; see `orders`. The key is first."""
        own = [order[1:] for order in self.orders if order[0].name == field.name and len(order) > 1]
        return tuple({tuple(f.name for f in order): order for order in [(self.key_field,), *own]}.values())

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    @cached_property
    def by_event(self) -> Mapping[str, RowHandler]:
        """The handlers by each name that their event's type has in the log."""
        handlers = self.handlers.items()
        return {name: handler for cls, handler in handlers for name in registered(cls).names}

    @cached_property
    def found_by(self) -> frozenset[str]:
        """The columns by whose value an event finds its rows."""
        return frozenset(h.column[0] for h in self.handlers.values() if h.column is not None)

    @cached_property
    def shape(self) -> Mapping[str, str]:
        """The type of each column as text. Two versions with the same text read the column the same way."""
        return {f.name: f"{'optional ' if f.optional else ''}{_shape(f.type)}" for f in self.fields}

    def apply(self, row: Any | None, event: Any, key: Any) -> Any | None:
        """The row with this key after `event`; None if the event removes it.

        Raises LookupError if the handler needs a row and there is none, and whatever the handler raises.
        """
        handler = self.handlers[type(event)]
        if handler.creates:
            return handler.function(event, *(row, key)[: handler.takes])
        if row is None:
            raise LookupError(f"no row has {self.key} {key}, and {type(event).__name__} changes one")
        return handler.function(row, event)


def declared_rows(cls: type) -> tuple[tuple[object, ProjectionType], ...]:
    """The domains in which a class is the row of a projection, each with the projection."""
    found: tuple[tuple[object, ProjectionType], ...] = cls.__dict__.get("__commander_rows__", ())
    return found


def projection_type(
    cls: type,
    names: GivenNames,
    plural: str,
    key: str,
    indexes: Indexes,
    filterable: tuple[str, ...],
    inline: bool,
    events: Mapping[type, EventType],
    fingerprint_by: Callable[[ProjectionType], str],
    visible: Visibility | None = None,
) -> ProjectionType:
    """Collects and checks the fields and handlers of `cls`. Raises DefinitionError."""
    where = where_is(cls)
    fields = fields_of(cls, ROW_FIELDS, may_refer=True)
    check_defaults(cls, fields)
    for option, columns in (("indexes", indexes), ("filterable", filterable)):
        if isinstance(columns, str):
            problem = f"{option} must be a tuple of columns: {option}=({columns!r},)"
            raise DefinitionError(where, f"{cls.__name__}: {problem}")
    given = [(index,) if isinstance(index, str) else tuple(index) for index in indexes]
    listed = [(field.name,) for field in fields if field.ref and field.ref.reverse and field.name != key]
    together = (*given, *(index for index in listed if index not in given))
    indexed = {key, *(column for index in together for column in index)}
    referring = [field.name for field in fields if field.ref or field.entity]
    for column in (key, *(column for index in together for column in index), *filterable, *referring):
        _check_sortable(fields, column, where, cls)
    key_field = next(field for field in fields if field.name == key)
    if key_field.optional:
        raise DefinitionError(where, f"{cls.__name__}.{key}: the key of a row cannot be None")
    if key_field.visible_to is not None:
        raise DefinitionError(where, f"{cls.__name__}.{key}: the key of a row cannot be hidden")
    _check_length(names.stored, _MAX_NAME, where, names.stored)
    for field in fields:
        _check_length(field.name, _MAX_COLUMN, where, f"{cls.__name__}.{field.name}")
    handlers: dict[type, RowHandler] = {}
    for handler in handlers_of(cls):
        label = f"{cls.__name__}.{handler.name}"
        if handler.parameter not in events:
            continue
        if handler.parameter in handlers:
            raise DefinitionError(handler.where, f"{label}: {handled_twice(handler.parameter)}")
        check_returns(handler, label, partial(_not_a_row, cls))
        handlers[handler.parameter] = _row_handler(
            handler, label, events[handler.parameter], fields, key_field
        )
    if not handlers:
        raise DefinitionError(where, f"{cls.__name__} handles no event of this domain")
    return ProjectionType(
        names.stored,
        names.name,
        plural,
        cls,
        key,
        fields,
        handlers,
        together,
        tuple(field for field in fields if field.name in indexed.union(filterable)),
        docstring(cls),
        fingerprint_by,
        where,
        inline,
        row_rule(visible, fields, where, cls.__name__),
    )


def _not_a_row(cls: type, returned: type) -> str | None:
    """The problem with a class that a method is annotated to return. None removes the row."""
    return None if returned is type(None) else not_of(cls, "a row", returned)


def _row_handler(
    handler: Handler, label: str, event: EventType, fields: tuple[Field, ...], key: Field
) -> RowHandler:
    declaration = declared(handler)
    if declaration is None:
        _check_key(handler, label, event, key)
    else:
        check(declaration, label, handler, event, {field.name: field for field in fields}, key)
    creates = handler.bound == "class"
    if len(handler.rest) > (_may_take(declaration) if creates else 0):
        raise DefinitionError(handler.where, f"{label} has too many parameters; it may take {_TAKES}")
    column = None if declaration is None else declaration.column
    return RowHandler(
        handler.function, creates, len(handler.rest), keys_by(declaration, key), column, declaration is None
    )


def _may_take(declaration: Touches | None) -> int:
    return 1 if declaration is None else 2


def _check_key(handler: Handler, label: str, event: EventType, key: Field) -> None:
    found = next((field for field in event.fields if field.name == key.name), None)
    if found is None:
        problem = f"{event.name} has no field {key.name} to find its row by; name its rows with @touches"
        raise DefinitionError(handler.where, f"{label}: {problem}")
    if found.type != key.type or found.optional:
        row = label.partition(".")[0]
        problem = f"{event.name}.{key.name} must be of the same type as {row}.{key.name}"
        raise DefinitionError(handler.where, f"{label}: {problem}")


def _check_sortable(fields: tuple[Field, ...], column: str, where: str, cls: type) -> None:
    field = next((field for field in fields if field.name == column), None)
    if field is None:
        raise DefinitionError(where, f"{cls.__name__} has no field {column}")
    if not isinstance(field.type, ScalarType | EnumType):
        problem = "a list or a value object cannot be the key, a reference, indexed or filterable"
        raise DefinitionError(where, f"{cls.__name__}.{column}: {problem}")


def _check_length(name: str, most: int, where: str, what: str) -> None:
    if len(name) > most:
        raise DefinitionError(
            where, f"{what}: the name is too long for Postgres; use at most {most} characters"
        )


def _shape(type_: FieldType) -> object:
    """The parts of a type that the columns depend on, but that are not in the source of the row's class."""
    match type_:
        case EnumType(python):
            return [(member.name, member.value) for member in python]
        case RecordType(_, fields):
            return [(field.name, field.optional, _shape(field.type)) for field in fields]
        case ListType(_, item, optional_items):
            return [_shape(item), optional_items]
        case ScalarType(python):
            return str(python)
