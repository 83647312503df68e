"""Operations that select every field of a schema, each with valid arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
    parse,
    visit,
)

Given = Mapping[str, str]
"""GraphQL literals by the name of the argument or of the scalar; an argument named here is given always."""


def operations(schema: GraphQLSchema, root: GraphQLObjectType, given: Given) -> Iterator[str]:
    """A document for each field of a root type; together they select all that can be reached from it."""
    for name, field in root.fields.items():
        of_the_feed = root is schema.subscription_type and name == "events"
        below = _Below(schema, given, without=("reactions",) if of_the_feed else ())  # the feed refuses it
        yield f"{root.name.lower()} {{ {below.field(name, field)} }}"


class _Below:
    """Writes selections. In one document each type is selected from once, so that it ends."""

    def __init__(self, schema: GraphQLSchema, given: Given, without: tuple[str, ...]) -> None:
        self._schema = schema
        self._given = given
        self._without = without
        self._done: set[str] = set()

    def field(self, name: str, field: GraphQLField, alias: str = "") -> str:
        given = [
            f"{argument}: {self._argument(argument, declared)}"
            for argument, declared in field.args.items()
            if is_required_argument(declared) or argument in self._given
        ]
        arguments = f"({', '.join(given)})" if given else ""
        return f"{alias}{name}{arguments}{self._selection(get_named_type(field.type))}"

    def _selection(self, type_: GraphQLNamedType) -> str:
        if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
            return ""
        selected = ["__typename"]
        if type_.name not in self._done:
            self._done.add(type_.name)
            types: dict[str, str] = {}
            if not isinstance(type_, GraphQLUnionType):
                selected += self._fields(type_, types)
            if not isinstance(type_, GraphQLObjectType):
                for possible in self._schema.get_possible_types(type_):
                    if possible.name not in self._done:
                        self._done.add(possible.name)
                        fields = " ".join(self._fields(possible, types))
                        selected.append(f"... on {possible.name} {{ __typename {fields} }}")
        return f" {{ {' '.join(selected)} }}"

    def _fields(
        self, type_: GraphQLObjectType | GraphQLInterfaceType, types: dict[str, str]
    ) -> Iterator[str]:
        """types: of the fields beside these. A field of the same name and another type has an alias."""
        for name, field in type_.fields.items():
            if name not in self._without:
                clashes = types.setdefault(name, str(field.type)) != str(field.type)
                yield self.field(name, field, f"of{type_.name}_{name}: " if clashes else "")

    def _argument(self, name: str, declared: GraphQLArgument) -> str:
        return self._given.get(name) or self._literal(declared.type)

    def _literal(self, type_: GraphQLInputType) -> str:
        nullable = get_nullable_type(type_)
        if is_list_type(nullable):
            items: GraphQLInputType = nullable.of_type
            return f"[{self._literal(items)}]"
        if isinstance(nullable, GraphQLEnumType):
            return str(next(iter(nullable.values)))
        if isinstance(nullable, GraphQLInputObjectType):
            fields = nullable.fields.items()
            wanted = [(n, f) for n, f in fields if is_required_input_field(f)] or list(fields)[:1]
            inner = (f"{n}: {self._given.get(n) or self._literal(f.type)}" for n, f in wanted)
            return f"{{{', '.join(inner)}}}"
        literal: str = self._given[str(nullable)]
        return literal


def selected_in(schema: GraphQLSchema, document: str) -> Counter[tuple[str, str]]:
    """(type, field) of each place in a document, as graphql-core's own walk sees them."""
    found: Counter[tuple[str, str]] = Counter()
    info = TypeInfo(schema)

    class Note(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            parent = info.get_parent_type()
            assert parent is not None
            found[parent.name, node.name.value] += 1

    visit(parse(document), TypeInfoVisitor(info, Note()))
    return found


def reachable(schema: GraphQLSchema, root: GraphQLObjectType) -> set[tuple[str, str]]:
    """(type, field) of all that can be selected below a root type, through whatever field."""
    found: set[tuple[str, str]] = set()
    left: list[GraphQLNamedType] = [root]
    seen: set[str] = set()
    while left:
        type_ = left.pop()
        if type_.name in seen:
            continue
        seen.add(type_.name)
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            left += schema.get_possible_types(type_)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            found |= {(type_.name, name) for name in type_.fields}
            left += [get_named_type(field.type) for field in type_.fields.values()]
    return found
