"""Documents that select all fields of what a root field reaches, made by introspection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

_SEPARATOR = "__"
_WHOLE = ("Connection", "Edge", "Version", "Reaction")
"""The ends of the names of types that are selected whole, or not at all."""
_TWICE = ("LineageCommand",)
"""Types that are selected once more below themselves."""
Path = tuple[str, ...]


def name_of(key: str) -> str:
    """The name of the field with this key in an answer. Where fields clash, the later ones have an alias."""
    return key.partition(_SEPARATOR)[2] if _SEPARATOR in key.lstrip("_") else key


class Documents:
    """levels: the types that count as a level. Others, like edges, lead on to the next."""

    def __init__(self, schema: GraphQLSchema, levels: Collection[str]) -> None:
        self._schema = schema
        self._levels = levels
        self._most = 2

    def document(self, operation: str, name: str, given: Collection[str], levels: int = 2) -> str:
        """The operation with one root field, whose arguments are variables.

        given: the names of the arguments. levels: how deep it selects.
        """
        self._most = levels
        field = self.roots(operation)[name]
        declared = ", ".join(f"${argument}: {field.args[argument].type}" for argument in given)
        arguments = ", ".join(f"{argument}: ${argument}" for argument in given)
        below = self._below(get_named_type(field.type), ())
        brackets = (f"({declared})", f"({arguments})") if given else ("", "")
        return f"{operation} {brackets[0]} {{ {name}{brackets[1]} {below} }}"

    def roots(self, operation: str) -> Mapping[str, GraphQLField]:
        types = {
            "query": self._schema.query_type,
            "mutation": self._schema.mutation_type,
            "subscription": self._schema.subscription_type,
        }
        root = types[operation]
        assert root is not None
        fields: Mapping[str, GraphQLField] = root.fields
        return fields

    def required(self, operation: str, name: str) -> list[str]:
        """The arguments that a root field must have."""
        arguments = self.roots(operation)[name].args
        return [argument for argument, declared in arguments.items() if is_required_argument(declared)]

    def _below(self, type_: GraphQLNamedType, path: Path) -> str | None:
        """The selection of a type. None if it would lead too deep, or around in a circle."""
        if path.count(type_.name) == (2 if type_.name in _TWICE else 1):
            return None
        if sum(name in self._levels for name in (*path, type_.name)) > self._most:
            return None
        path = (*path, type_.name)
        own = list(self._fields(type_, path))
        if type_.name.endswith(_WHOLE) and len(own) < len(_fields_of(type_)):
            return None
        if isinstance(type_, GraphQLInterfaceType):
            taken: dict[str, str] = {}
            for possible in self._schema.get_possible_types(type_):
                further = (*path, possible.name)
                fields = " ".join(self._fields(possible, further, without=type_.fields, taken=taken))
                own += [f"... on {possible.name} {{ {fields} }}"] if fields else []
        return f"{{ {' '.join(['__typename', *own])} }}"

    def _fields(
        self,
        type_: GraphQLNamedType,
        path: Path,
        without: Collection[str] = (),
        taken: dict[str, str] | None = None,
    ) -> Iterator[str]:
        """taken: the types of the fields beside these. One of another type has an alias."""
        taken = {} if taken is None else taken
        for name, field in _fields_of(type_).items():
            below: str | None = ""
            if not is_leaf_type(get_named_type(field.type)):
                below = self._below(get_named_type(field.type), path)
            if name not in without and below is not None:
                clashes = taken.setdefault(name, str(field.type)) != str(field.type)
                alias = f"{type_.name}{_SEPARATOR}{name}: " if clashes else ""
                yield f"{alias}{name} {below}"


def _fields_of(type_: GraphQLNamedType) -> Mapping[str, GraphQLField]:
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType), "the schema has no unions"
    fields: Mapping[str, GraphQLField] = type_.fields
    return fields
