"""The types that a field may have, and the constraints it may declare.

A type has one exact form in JSON (the log), in GraphQL and in Postgres. Any other is an error of the class.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, Flag
from functools import cached_property
from typing import Any, NewType
from uuid import UUID, uuid5

from commander.domain.annotations import is_doc, unwrapped
from commander.domain.attribute_docs import attribute_docs
from commander.domain.constraints import constraints_of
from commander.domain.deprecations import Deprecated, deprecation_of
from commander.domain.entities import Entity, entity_of
from commander.domain.errors import DefinitionError
from commander.domain.names import ApiName, camel, check_name
from commander.domain.new_ids import next_id
from commander.domain.references import Ref, reference_of
from commander.domain.roles import Visible, visible_to
from commander.domain.source import where_is
from commander.domain.tags import Tag, is_tagged

BigInt = NewType("BigInt", int)
"""An integer of up to 64 bits. The GraphQL scalar BigInt sends it as a string, so it stays exact."""

SCALARS: tuple[Any, ...] = (str, bool, int, float, Decimal, UUID, datetime, date, time, BigInt)
_GENERATED = "commander.generated"
_SAMPLES: dict[Any, Any] = {  # one value of each type that has an order or a length
    str: "",
    int: 0,
    BigInt: 0,
    float: 0.0,
    Decimal: Decimal(0),
    datetime: datetime(2000, 1, 1, tzinfo=UTC),
    date: date(2000, 1, 1),
    time: time(12),
}


def new_id() -> Any:
    """The default of an id field that may be omitted.

    The id is then derived: for a client from the command's id, and in the code of a reactor or a tick from
    what it runs for (new_ids.py). So a command that is sent again has the same id.
    """
    return dataclasses.field(default_factory=next_id, metadata={_GENERATED: True})


@dataclasses.dataclass(frozen=True)
class ScalarType:
    python: Any


@dataclasses.dataclass(frozen=True)
class EnumType:
    python: type[Enum]


@dataclasses.dataclass(frozen=True)
class RecordType:
    """A nested frozen dataclass: a value object."""

    python: type
    fields: tuple[Field, ...]


@dataclasses.dataclass(frozen=True)
class ListType:
    """A list. python: the annotation, list[X] or tuple[X, ...]. item_constraints: those of each item."""

    python: Any
    item: FieldType
    optional_items: bool
    item_constraints: tuple[Any, ...] = ()


FieldType = ScalarType | EnumType | RecordType | ListType


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of an event, command, row or value object.

    optional: None is allowed. required: it has no default. generated: its default is `new_id()`.
    doc: the text of its `Doc`. deprecated: why clients should no longer use it, and what to use instead.
    default: makes the default; None if it has none. api_name: its name in the API, if that is another one.
    owner: the class whose field it is. visible_to: the roles that see it; None if all do.
    ref: what it refers to, with the name of the link. entity: the same in another API. tagged: see tags.py.
    """

    name: str
    type: FieldType
    optional: bool
    required: bool
    generated: bool
    constraints: tuple[Any, ...]
    doc: str | None
    default: Callable[[], Any] | None = dataclasses.field(default=None, compare=False, repr=False)
    owner: Any = dataclasses.field(default=None, compare=False, repr=False)
    deprecated: str | None = dataclasses.field(default=None, compare=False, repr=False)
    api_name: str | None = None
    entity: Entity | None = dataclasses.field(default=None, compare=False, repr=False)
    visible_to: frozenset[str] | None = dataclasses.field(default=None, compare=False, repr=False)
    ref: Ref | None = dataclasses.field(default=None, compare=False, repr=False)
    tagged: bool = dataclasses.field(default=False, compare=False, repr=False)

    @cached_property
    def description(self) -> str | None:
        """The text of its `Doc`, or the text below it in its class."""
        below = self.doc is None and self.owner is not None
        return attribute_docs(self.owner).get(self.name) if below else self.doc

    @cached_property
    def python(self) -> Any:
        """The class of its values; None for a list, whose values are lists or tuples."""
        match self.type:
            case ScalarType(python):
                return int if python is BigInt else python
            case EnumType(python) | RecordType(python):
                return python
        return None

    @cached_property
    def always_usable(self) -> bool:
        """Whether every value of exactly its class is valid."""
        match self.type:
            case ScalarType(python):
                return python in (UUID, bool, date) and not self.constraints
            case EnumType():
                return not self.constraints
        return False

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is a scalar."""
        return isinstance(self.type, ScalarType)

    @cached_property
    def graphql_name(self) -> str:
        return self.api_name or camel(self.name)


def fields_of(
    cls: type,
    reserved: frozenset[str] = frozenset(),
    *,
    may_generate: bool = False,
    of_event: bool = False,
    may_refer: bool = False,
    within: tuple[type, ...] = (),
) -> tuple[Field, ...]:
    """The fields of a frozen dataclass. Raises DefinitionError for a type without an exact form.

    reserved: names that a field must not have. may_generate: whether `new_id()` is allowed as a default.
    of_event: whether ApiName and Tag are allowed. may_refer: whether Ref and Entity are.
    within: the outer classes.
    """
    where = where_is(cls)
    if cls in within:
        raise DefinitionError(where, f"{cls.__name__} contains itself; a value object must not")
    try:
        hints = typing.get_type_hints(cls, include_extras=True, localns={cls.__name__: cls})
    except NameError as error:
        raise DefinitionError(where, f"{cls.__name__}: {error} (define it above this class)") from error
    except Exception as error:  # an annotation in quotes may hold anything
        reason = f"{type(error).__name__}: {error}"
        raise DefinitionError(where, f"{cls.__name__}: an annotation cannot be read: {reason}") from error
    taken = {camel(name): "the API" for name in reserved}
    fields = []
    for field in dataclasses.fields(cls):
        at_field = f"{cls.__name__}.{field.name}"
        check_name(field.name, where, at_field)
        read = _field(field, hints[field.name], cls, at_field, within)
        name = read.graphql_name
        if not of_event and (read.tagged or read.api_name is not None):
            problem = f"{'Tag' if read.tagged else 'ApiName'} is only for the fields of an event"
            raise DefinitionError(where, f"{at_field}: {problem}")
        if read.api_name is not None:
            check_name(name, where, at_field)
        if (mark := read.ref or read.entity) and not may_refer:
            problem = f"{type(mark).__name__} is only for the fields of a row"
            raise DefinitionError(where, f"{at_field}: {problem}")
        if name in taken:
            problem = f"the name {name} is taken by {taken[name]}; choose another"
            raise DefinitionError(where, f"{at_field}: {problem}")
        taken[name] = field.name
        if read.visible_to is not None and within:
            problem = "Visible is for a field of a row, an event or a command, not of a value object"
            raise DefinitionError(where, f"{at_field}: {problem}")
        if read.generated and not (may_generate and read.type == ScalarType(UUID)):
            raise DefinitionError(where, f"{at_field}: new_id() is only for fields of a command of type UUID")
        fields.append(read)
    return tuple(fields)


def _field(
    field: dataclasses.Field[Any], hint: Any, owner: type, at_field: str, within: tuple[type, ...]
) -> Field:
    where = where_is(owner)
    if not field.init:
        problem = "init=False is not allowed: the stored value could not be read back"
        raise DefinitionError(where, f"{at_field}: {problem}")
    hint, optional, metadata = unwrapped(hint)
    type_ = field_type(hint, where, at_field, (*within, owner))
    tagged = is_tagged(metadata, type_.python, where, at_field)
    default = _default_of(field)
    return Field(
        name=field.name,
        type=type_,
        optional=optional,
        required=default is None,
        generated=bool(field.metadata.get(_GENERATED)),
        constraints=_constraints(metadata, type_, where, at_field),
        doc=next((m.documentation for m in metadata if is_doc(m)), None),
        default=default,
        owner=owner,
        deprecated=deprecation_of(metadata, where, at_field),
        api_name=next((m.name for m in metadata if isinstance(m, ApiName)), None),
        entity=entity_of(metadata, field.name, where, at_field),
        visible_to=visible_to(metadata, where, at_field),
        ref=reference_of(metadata, field.name, where, at_field),
        tagged=tagged,
    )


def _default_of(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return None if field.default is dataclasses.MISSING else lambda: field.default


def _constraints(metadata: tuple[Any, ...], type_: FieldType, where: str, at_field: str) -> tuple[Any, ...]:
    marks = Deprecated | ApiName | Visible | Ref | Entity | Tag
    declared = [m for m in metadata if not (is_doc(m) or isinstance(m, marks))]
    match type_:
        case ListType():
            sample: object = ()
        case ScalarType(python):
            sample = _SAMPLES.get(python)
        case _:
            sample = None
    return constraints_of(declared, sample, where, at_field)


def field_type(hint: Any, where: str, at_field: str, within: tuple[type, ...]) -> FieldType:
    """The type in an annotation without Annotated and None. Raises DefinitionError, as fields_of does."""
    if hint in SCALARS:
        return ScalarType(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_type(hint, where, at_field)
    if typing.get_origin(hint) in (list, tuple):
        args = typing.get_args(hint)
        if typing.get_origin(hint) is list or (len(args) == 2 and args[1] is Ellipsis):
            bare, optional_items, metadata = unwrapped(args[0])
            item = field_type(bare, where, at_field, within)
            for mark in (m for m in metadata if isinstance(m, Ref | Entity | Tag)):
                what = "value" if isinstance(mark, Tag) else "key"
                problem = f"{type(mark).__name__} is only for a field with one {what}, not for a list"
                raise DefinitionError(where, f"{at_field}: {problem}")
            constraints = _constraints(metadata, item, where, at_field)
            return ListType(hint, item, optional_items, constraints)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not hint.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise DefinitionError(where, f"{at_field}: the dataclass {hint.__name__} must be frozen")
        return RecordType(hint, fields_of(hint, within=within))
    raise DefinitionError(
        where,
        f"{at_field}: {hint!r} has no exact GraphQL form; use str, bool, int, BigInt, float, Decimal, UUID, "
        "datetime, date, time, an Enum, a frozen dataclass, or tuple[X, ...], list[X] or X | None of one",
    )


def _enum_type(enum: type[Enum], where: str, at_field: str) -> EnumType:
    """Checks an enum. JSON stores its values, so they must be str or int. GraphQL shows its names."""
    values = [member.value for member in enum]
    plain = any(values and all(type(v) is kind for v in values) for kind in (str, int))
    if not plain or issubclass(enum, Flag):
        problem = f"the values of {enum.__name__} must be all str or all int, and it must not be a Flag"
        raise DefinitionError(where, f"{at_field}: {problem}")
    for member in enum:
        check_name(member.name, where, f"{at_field}: {enum.__name__}.{member.name}")
    return EnumType(enum)


def derived_ids(fields: tuple[Field, ...], command_id: UUID) -> dict[str, UUID]:
    """The values of the generated fields of the command with this id, by field name."""
    return {field.name: uuid5(command_id, field.name) for field in fields if field.generated}
