"""Codecs of scalars, and where in requests and answers their values are, as texts of TypeScript."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
)

from commander.domain.errors import CommanderError
from commander.schema.typescript.operations import Operations
from commander.schema.typescript.type_text import BUILT_IN, quoted

Codecs = Mapping[str, str]
"""The module that exports the codec of a scalar under the name of the scalar, by that name."""


def codecs_of(texts: Iterable[str], schema: GraphQLSchema) -> Codecs:
    """The codecs in texts such as `Decimal=../codecs.js`. Raises CommanderError."""
    known = sorted(
        name
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLScalarType) and name not in BUILT_IN
    )
    found = {}
    for text in texts:
        scalar, _, module = text.partition("=")
        if scalar not in known or not module:
            raise CommanderError(f"--codec {text}: write SCALAR=MODULE; the scalars are {', '.join(known)}")
        found[scalar] = module
    return found


def codec_imports(codecs: Codecs) -> Iterator[str]:
    yield from (f"import {{ {scalar} }} from {json.dumps(module)};" for scalar, module in codecs.items())


def codec_type_imports(codecs: Codecs) -> Iterator[str]:
    for scalar, module in codecs.items():
        yield f"import type {{ {scalar} as {scalar}Codec }} from {json.dumps(module)};"


def coding(operations: Operations, codecs: Codecs) -> Iterator[str]:
    """The lines of `coding` of a domain; none without codecs."""
    if not codecs:
        return
    yield "  coding: {"
    yield f"    codecs: {{ {', '.join(codecs)} }},"
    yield "    fields: {"
    for type_, fields in _leading(operations.schema, _roots(operations), codecs).items():
        inside = ", ".join(f"{name}: {quoted(inner)}" for name, inner in fields.items())
        yield f"      {quoted(type_)}: {{ {inside} }},"
    yield "    },"
    yield "  },"


def _roots(operations: Operations) -> dict[str, dict[str, str]]:
    """The fields that the operations ask for, as those of a type; and the variables of each, too."""
    schema, rows = operations.schema, operations.rows
    of_rows = [name for one in rows for name in (one.one, one.many)]
    by_keys = [name for one in rows for name in one.by_keys]
    asked = (
        ("Mutation", schema.mutation_type, list(operations.commands)),
        ("Query", schema.query_type, [*of_rows, *by_keys]),
        ("Subscription", schema.subscription_type, [*of_rows, "events"]),
    )
    roots: dict[str, dict[str, str]] = {}
    for kind, root, names in asked:
        if root is None:
            continue
        for name in names:
            field = root.fields[name]
            roots.setdefault(kind, {})[name] = get_named_type(field.type).name
            given = {argument: get_named_type(one.type).name for argument, one in field.args.items()}
            roots[f"{kind} {name}"] = given
    return roots


def _leading(
    schema: GraphQLSchema, roots: Mapping[str, Mapping[str, str]], codecs: Codecs
) -> dict[str, dict[str, str]]:
    """By type, the fields that lead to one of the scalars, with the names of their types."""
    fields: dict[str, Mapping[str, str]] = dict(roots)
    members: dict[str, list[str]] = {}
    waiting = [name for given in roots.values() for name in given.values()]
    while waiting:
        name = waiting.pop()
        if name in fields:
            continue
        type_ = schema.type_map[name]
        fields[name] = _plain_fields(type_)
        members[name] = []
        if is_abstract_type(type_):
            members[name] = [one.name for one in schema.get_possible_types(type_)]
        waiting += [*fields[name].values(), *members[name]]
    leads = set(codecs)
    while more := {
        name
        for name in fields.keys() - leads
        if not leads.isdisjoint([*fields[name].values(), *members.get(name, ())])
    }:
        leads |= more
    found = {name: {f: t for f, t in inside.items() if t in leads} for name, inside in fields.items()}
    return {name: inside for name, inside in sorted(found.items()) if inside}


def _plain_fields(type_: GraphQLNamedType) -> dict[str, str]:
    """The fields without arguments, with the names of their types."""
    if isinstance(type_, GraphQLInputObjectType):
        return {name: get_named_type(one.type).name for name, one in type_.fields.items()}
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        return {name: get_named_type(one.type).name for name, one in type_.fields.items() if not one.args}
    return {}
