"""Types of GraphQL as text of TypeScript. A scalar is a string, unless JSON has an exact form for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLType,
    is_input_object_type,
    is_required_argument,
    is_required_input_field,
)

_EXACT = {"Boolean": "boolean", "Int": "number", "Float": "number", "JSON": "unknown"}
BUILT_IN = frozenset({"Boolean", "Int", "Float", "String", "ID"})


def type_text(type_: GraphQLType, named: str | None = None, prefix: str = "") -> str:
    """The type of a value. named: the text of the innermost type; by default its name, behind the prefix."""
    if isinstance(type_, GraphQLNonNull):
        return _not_null(type_.of_type, named, prefix)
    return f"{_not_null(type_, named, prefix)} | null"


def _not_null(type_: GraphQLType, named: str | None, prefix: str) -> str:
    if isinstance(type_, GraphQLList):
        item = type_text(type_.of_type, named, prefix)
        return f"readonly ({item})[]" if " " in item else f"readonly {item}[]"
    if named is not None:
        return named
    name = str(type_)
    if name in BUILT_IN:
        return _EXACT.get(name, "string")
    return prefix + name


def members(
    fields: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField], prefix: str = ""
) -> Iterable[str]:
    """The lines of the arguments of a field, or of the fields of an input. prefix: of the names of types."""
    for name, field in fields.items():
        yield from comment(field.description, "  ")
        yield f"  {name}{'' if _is_required(field) else '?'}: {type_text(field.type, prefix=prefix)};"


def declarations(schema: GraphQLSchema, codecs: Collection[str] = ()) -> Iterable[str]:
    """The scalars, enums and inputs of a schema. codecs: the scalars that have one."""
    for name, type_ in sorted(schema.type_map.items()):
        if name.startswith("__") or name in BUILT_IN:
            continue
        if isinstance(type_, GraphQLScalarType):
            yield from comment(type_.description)
            coded = f'ReturnType<(typeof {name}Codec)["decode"]>' if name in codecs else None
            yield f"export type {name} = {coded or _EXACT.get(name, 'string')};"
        elif isinstance(type_, GraphQLEnumType):
            yield from comment(type_.description)
            yield f"export type {name} = {' | '.join(map(quoted, type_.values))};"
        elif is_input_object_type(type_):
            yield from comment(type_.description)
            yield from _input(name, type_)


def _input(name: str, type_: GraphQLInputObjectType) -> Iterable[str]:
    if not type_.is_one_of:
        yield f"export type {name} = {{"
        yield from members(type_.fields)
        yield "};"
        return
    yield f"export type {name} ="
    for chosen, field in type_.fields.items():
        others = [f"{other}?: never" for other in type_.fields if other != chosen]
        given = f"{chosen}: {_not_null(field.type, None, '')}"
        yield f"  | {{ {'; '.join([given, *others])} }}"
    yield ";"


def quoted(text: str) -> str:
    """A name or a value of GraphQL as a string of TypeScript."""
    return f'"{text}"'


def comment(text: str | None, indent: str = "") -> Iterable[str]:
    """A description as a comment."""
    if not text or not text.strip():
        return
    lines = [line.rstrip() for line in text.strip().replace("*/", "*\u200b/").splitlines()]
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield f"{indent}/**"
    yield from (re.sub(r"\s+$", "", f"{indent} * {line}") for line in lines)
    yield f"{indent} */"


def _is_required(field: GraphQLArgument | GraphQLInputField) -> bool:
    if isinstance(field, GraphQLArgument):
        return is_required_argument(field)
    return is_required_input_field(field)
