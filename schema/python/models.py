"""The classes of a client in Python: enums, inputs, objects, unions, and the options of commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_required_input_field,
)

from commander.schema.names import camel, capitalized
from commander.schema.python.names import attributes, free, member
from commander.schema.python.type_text import annotation, docstring, scalar_aliases
from commander.schema.typescript.operations import RESUMING, Operations
from commander.schema.typescript.selecting import Abstract

OPTIONS = "CommandOptions"
_EVENT, _ITEM = "Event", "FeedItem"
_CLASS = "@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)"
_UNKNOWN = "One of a type that this client does not know, because the API has got it since."
_PATIENCE = (
    "How long to repeat the request, in seconds, through breaks, OVERLOADED, UNAVAILABLE, 429 and 503. "
    "30 by default; math.inf for ever."
)


class Models:
    """The types that the operations of a domain need, and their classes as text.

    codecs: the class of a scalar that the caller has chosen, as MODULE:CLASS, by the scalar's name.
    """

    def __init__(self, operations: Operations, codecs: Mapping[str, str]) -> None:
        self._operations = operations
        self._codecs = codecs
        self._schema = operations.schema
        self._selecting = operations.selecting
        self._given: dict[str, GraphQLNamedType] = {}
        self._objects: dict[str, Mapping[str, GraphQLField]] = {}
        self._unions: dict[str, list[GraphQLObjectType]] = {}
        self._enums: dict[str, GraphQLEnumType] = {}
        self._collect()

    def _collect(self) -> None:
        operations = self._operations
        for name in (_EVENT, _ITEM):
            self._take_union(name)
        for field in operations.commands.values():
            self._take_union(get_named_type(field.type).name)
            self._take_arguments(field)
        for rows in operations.rows:
            self._take_object(rows.type, rows.columns)
            if rows.past:
                self._take_object(rows.past)
        for root in (self._schema.query_type, self._schema.subscription_type):
            for rows in operations.rows:
                for name in (rows.one, rows.many, rows.at):
                    if name in _fields(root):
                        self._take_arguments(_fields(root)[name])
        self._take_arguments(_fields(self._schema.subscription_type)["events"])

    def _take_union(self, name: str) -> None:
        type_ = self._abstract(name)
        self._unions[name] = self._selecting.possible(type_)
        for one in self._unions[name]:
            self._take_object(one)

    def _take_object(self, type_: GraphQLObjectType, names: Iterable[str] | None = None) -> None:
        if type_.name in self._objects:
            return
        self._objects[type_.name] = fields = self._selecting.selected(type_, names)
        for field in fields.values():
            named = get_named_type(field.type)
            if isinstance(named, GraphQLObjectType):
                self._take_object(named)
            elif isinstance(named, GraphQLEnumType):
                self._enums[named.name] = named

    def _take_arguments(self, field: GraphQLField) -> None:
        for name, argument in field.args.items():
            if name not in RESUMING:
                self._take_given(get_named_type(argument.type))

    def _take_given(self, type_: GraphQLNamedType) -> None:
        if isinstance(type_, GraphQLEnumType):
            self._enums[type_.name] = type_
        elif isinstance(type_, GraphQLInputObjectType) and type_.name not in self._given:
            self._given[type_.name] = type_
            for field in type_.fields.values():
                self._take_given(get_named_type(field.type))

    def lines(self) -> Iterator[str]:
        yield from scalar_aliases(self._schema, self._codecs)
        for _, enum in sorted(self._enums.items()):
            yield from _enum(enum)
        for name, type_ in sorted(self._given.items()):
            assert isinstance(type_, GraphQLInputObjectType)
            yield from self._options(type_) if name == OPTIONS else _input(type_)
        for name, fields in sorted(self._objects.items()):
            yield from _class(name, fields, self._schema.type_map[name].description)
        for name, members in self._unions.items():
            known = self._abstract(_EVENT if name == _ITEM else name)
            unknown = free(f"Unknown{known.name}", self._schema.type_map)
            if known.name == name:
                assert isinstance(known, GraphQLInterfaceType), "it has fields that each member has"
                yield from _class(unknown, self._selecting.selected(known), _UNKNOWN, "(codec.Open)")
            yield from ("", "")
            yield f"{name}: typing.TypeAlias = ("
            yield "    " + "\n    | ".join([*(one.name for one in members), unknown])
            yield ")"
            yield from docstring(self._abstract(name).description)

    def _options(self, type_: GraphQLInputObjectType) -> Iterator[str]:
        yield from ("", "", f"class {OPTIONS}(typing.TypedDict, total=False):")
        yield from docstring(type_.description, "    ")
        names = attributes(type_.fields)
        for name, field in type_.fields.items():
            assert camel(names[name]) == name, f"{name}: the client makes the name from the option's"
            yield f"    {names[name]}: {annotation(field.type, given=True)}"
            yield from docstring(field.description, "    ")
        yield "    patience_seconds: float"
        yield from docstring(_PATIENCE, "    ")

    def _abstract(self, name: str) -> Abstract:
        type_ = self._schema.get_type(name)
        assert is_abstract_type(type_), name
        return type_


def _fields(root: GraphQLObjectType | None) -> dict[str, GraphQLField]:
    return {} if root is None else root.fields


def _enum(type_: GraphQLEnumType) -> Iterator[str]:
    yield from ("", "", f"class {type_.name}(codec.OpenEnum):")
    if type_.description:
        yield from docstring(type_.description, "    ")
        yield ""
    for name, value in type_.values.items():
        yield f'    {member(name)} = "{name}"'
        yield from docstring(value.description, "    ")


def _input(type_: GraphQLInputObjectType) -> Iterator[str]:
    if not type_.is_one_of:
        yield from _class(type_.name, type_.fields, type_.description)
        return
    made = {name: f"{type_.name}{capitalized(name)}" for name in type_.fields}
    for name, field in type_.fields.items():
        required = GraphQLInputField(GraphQLNonNull(field.type), description=field.description)
        yield from _class(made[name], {name: required}, type_.description)
    yield from ("", "", f"{type_.name}: typing.TypeAlias = {' | '.join(made.values())}")
    yield from docstring(type_.description)


def _class(
    name: str,
    fields: Mapping[str, GraphQLField] | Mapping[str, GraphQLInputField],
    description: str | None,
    base: str = "",
) -> Iterator[str]:
    yield from ("", "", _CLASS, f"class {name}{base}:")
    yield from docstring(description or name, "    ")
    if fields:
        yield ""
    names = attributes(fields)
    for shown, field in fields.items():
        own = names[shown]
        given = isinstance(field, GraphQLInputField)
        about = [] if camel(own) == shown else [f'metadata={{codec.API_NAME: "{shown}"}}']
        if isinstance(field, GraphQLInputField) and not is_required_input_field(field):
            about.insert(0, "default=codec.UNSET")
        value = f" = dataclasses.field({', '.join(about)})" if about else ""
        if about == ["default=codec.UNSET"]:
            value = " = codec.UNSET"
        yield f"    {own}: {annotation(field.type, given=given)}{value}"
        yield from docstring(field.description, "    ")
