"""A schema without some of its types, fields and values, and without what is then of no use.

What goes with them: a field whose type, or the type of an argument that it needs, has gone; a type that has
nothing left; an input that lacks a field that it needs; and what can no longer be reached from the roots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_introspection_type,
    is_required_argument,
    is_required_input_field,
)

T = TypeVar("T", bound=GraphQLNamedType)
Part = GraphQLField | GraphQLArgument | GraphQLInputField


@dataclass(frozen=True)
class Hidden:
    """types: their names. members: fields and values of enums, each with the name of its type."""

    types: frozenset[str]
    members: frozenset[tuple[str, str]]


def reduced(schema: GraphQLSchema, hidden: Hidden) -> GraphQLSchema:
    """The schema without what is hidden. It resolves nothing: it validates documents and is introspected."""
    return _Reduction(schema, _Kept(schema, hidden)).schema()


class _Kept:
    """Which types, and which members of them, are left."""

    def __init__(self, schema: GraphQLSchema, hidden: Hidden) -> None:
        self._hidden = hidden
        known = (type_ for type_ in schema.type_map.values() if not is_introspection_type(type_))
        self.types = {type_.name: type_ for type_ in known if type_.name not in hidden.types}
        while gone := [name for name, type_ in self.types.items() if not self._is_usable(type_)]:
            for name in gone:
                del self.types[name]
        self._reach(schema)

    def has(self, part: Any) -> bool:
        """Whether the type of a field or an argument is left, or the type itself."""
        return get_named_type(getattr(part, "type", part)).name in self.types

    def members(self, type_: GraphQLNamedType) -> dict[str, Any]:
        """The fields of a type, or the values of an enum, that are left."""
        given: Any = type_
        of: Mapping[str, Any] = given.values if isinstance(type_, GraphQLEnumType) else given.fields
        shown = {name: one for name, one in of.items() if (type_.name, name) not in self._hidden.members}
        if isinstance(type_, GraphQLEnumType):
            return shown
        return {name: one for name, one in shown.items() if self.has(one) and self._has_what_it_needs(one)}

    def _has_what_it_needs(self, field: Any) -> bool:
        arguments = getattr(field, "args", {}).values()
        return all(self.has(one) for one in arguments if is_required_argument(one))

    def _is_usable(self, type_: GraphQLNamedType) -> bool:
        match type_:
            case GraphQLUnionType():
                return any(map(self.has, type_.types))
            case GraphQLInputObjectType():
                left = self.members(type_)
                needed = {name for name, one in type_.fields.items() if is_required_input_field(one)}
                return bool(left) and needed <= left.keys()
            case GraphQLObjectType() | GraphQLInterfaceType() | GraphQLEnumType():
                return bool(self.members(type_))
        return True

    def _reach(self, schema: GraphQLSchema) -> None:
        """Leaves the types that the roots, the directives and the scalars of introspection lead to."""
        roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
        reached: dict[str, GraphQLNamedType] = {}
        waiting: list[GraphQLNamedType] = [one for one in roots if one is not None and self.has(one)]
        waiting += [get_named_type(a.type) for d in schema.directives for a in d.args.values()]
        waiting += [schema.type_map["String"], schema.type_map["Boolean"]]
        while waiting:
            type_ = waiting.pop()
            if type_.name in reached or type_.name not in self.types:
                continue
            reached[type_.name] = type_
            waiting += self._next(type_)
            if isinstance(type_, GraphQLInterfaceType):
                found = schema.get_implementations(type_)
                waiting += [*found.objects, *found.interfaces]
        self.types = {name: type_ for name, type_ in self.types.items() if name in reached}

    def _next(self, type_: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
        if isinstance(type_, GraphQLUnionType):
            yield from type_.types
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            yield from type_.interfaces
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field in self.members(type_).values():
                yield get_named_type(field.type)
                for argument in getattr(field, "args", {}).values():
                    yield get_named_type(argument.type)


class _Reduction:
    """Makes each type that is left again, with what is left of it. Scalars stay the same."""

    def __init__(self, schema: GraphQLSchema, kept: _Kept) -> None:
        self._schema = schema
        self._kept = kept
        self._made = {name: self._again(type_) for name, type_ in kept.types.items()}

    def schema(self) -> GraphQLSchema:
        given = self._schema
        roots = (given.query_type, given.mutation_type, given.subscription_type)
        query, mutation, subscription = (None if one is None else self._made.get(one.name) for one in roots)
        return GraphQLSchema(
            query=cast(Any, query),
            mutation=cast(Any, mutation),
            subscription=cast(Any, subscription),
            types=list(self._made.values()),
            directives=given.directives,
            description=given.description,
        )

    def _again(self, type_: GraphQLNamedType) -> GraphQLNamedType:
        given: Any = type_.to_kwargs()
        match type_:
            case GraphQLEnumType():
                left = self._kept.members(type_)
                return type_ if left == type_.values else GraphQLEnumType(**{**given, "values": left})
            case GraphQLUnionType():
                return GraphQLUnionType(**{**given, "types": lambda: self._all(type_.types)})
            case GraphQLInputObjectType():
                return GraphQLInputObjectType(**{**given, "fields": lambda: self._fields(type_)})
            case GraphQLObjectType() | GraphQLInterfaceType():
                own = {"fields": lambda: self._fields(type_)}
                above = {"interfaces": lambda: self._all(type_.interfaces)}
                return type(type_)(**{**given, **own, **above})
        return type_

    def _all(self, types: Iterable[GraphQLNamedType]) -> list[Any]:
        return [self._made[one.name] for one in types if one.name in self._made]

    def _fields(self, type_: Any) -> dict[str, Any]:
        return {name: self._typed(one) for name, one in self._kept.members(type_).items()}

    def _typed(self, part: Part) -> Any:
        """A field or an argument whose types are those made again."""
        given: Any = part.to_kwargs()
        given["type_"] = self._of(part.type)
        if isinstance(part, GraphQLField):
            given["args"] = {name: self._typed(one) for name, one in part.args.items() if self._kept.has(one)}
        return type(part)(**given)

    def _of(self, type_: Any) -> Any:
        match type_:
            case GraphQLNonNull():
                return GraphQLNonNull(self._of(type_.of_type))
            case GraphQLList():
                return GraphQLList(self._of(type_.of_type))
        return self._made[type_.name]
