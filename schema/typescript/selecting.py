"""What an operation selects of a type: the text of the selection, and the type of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from commander.schema.typescript.type_text import comment, quoted, type_text

_EVENT, _FEED_ITEM, _SETTLEMENT = "Event", "FeedItem", "Settlement"
_BRIEF = {"Command": ("commandId", "type", "status", "reactor", "code", "message", "position")}
"""The fields that are selected of such a type in a settlement. Elsewhere it is not selected."""
_COMPUTED = "AvailableCommand"
"""A type of objects that are made only for whoever asks for them."""
Abstract = GraphQLInterfaceType | GraphQLUnionType


class Selecting:
    """Selects all plain fields: those whose whole value comes with the object, without a further resolver."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    @cached_property
    def events(self) -> str:
        """The selection of an event of any type, without its braces."""
        return self.any_of(self._abstract(_EVENT))

    @cached_property
    def items(self) -> str:
        """The selection of an item of the feed, which needs the fragment EventFields."""
        others = self.any_of(self._abstract(_FEED_ITEM), without=self.possible(self._abstract(_EVENT)))
        return f"{others} ...EventFields"

    def possible(self, type_: Abstract) -> list[GraphQLObjectType]:
        return sorted(self._schema.get_possible_types(type_), key=lambda one: one.name)

    def any_of(self, type_: Abstract, without: Sequence[GraphQLObjectType] = ()) -> str:
        """The selection of each possible type. without: types with no fields of their own in it."""
        shared = type_.fields if isinstance(type_, GraphQLInterfaceType) else {}
        common = [self._field(name, field) for name, field in shared.items() if self._is_taken(field, type_)]
        parts = ["__typename", *common]
        for one in self.possible(type_):
            own = [
                self._field(name, field)
                for name, field in one.fields.items()
                if name not in shared and self._is_taken(field, one)
            ]
            if own and one not in without:
                parts.append(f"... on {one.name} {{ {' '.join(own)} }}")
        return " ".join(parts)

    def plain(self, type_: GraphQLObjectType, names: Iterable[str] | None = None) -> str:
        """The selection of an object without braces. names: of its fields; by default all plain ones."""
        return " ".join(self._field(name, field) for name, field in self.selected(type_, names).items())

    def selected(
        self, type_: GraphQLObjectType | GraphQLInterfaceType, names: Iterable[str] | None = None
    ) -> dict[str, GraphQLField]:
        """The fields that a selection of the type has. names: which may be; by default all plain ones."""
        names = _BRIEF.get(type_.name, type_.fields) if names is None else names
        return {name: type_.fields[name] for name in names if self._is_taken(type_.fields[name], type_)}

    def object_type(
        self, type_: GraphQLObjectType, names: Iterable[str] | None = None, *, named: bool = True
    ) -> Iterable[str]:
        """The lines of the type of a selected object. named: it has __typename."""
        yield "{"
        if named:
            yield f"  __typename: {quoted(type_.name)};"
        for name in list(type_.fields) if names is None else names:
            field = type_.fields[name]
            if self._is_taken(field, type_):
                yield from comment(field.description, "  ")
                yield f"  {name}: {type_text(field.type, self._inner(field))};"
        yield "}"

    def _inner(self, field: GraphQLField) -> str | None:
        """The text of the type of a nested object. None: the name of the type."""
        named = get_named_type(field.type)
        if not isinstance(named, GraphQLObjectType):
            return None
        fields = [
            f"{name}: {type_text(one.type, self._inner(one))}" for name, one in self.selected(named).items()
        ]
        return f"{{ {'; '.join(fields)} }}"

    def _field(self, name: str, field: GraphQLField) -> str:
        named = get_named_type(field.type)
        if named.name == _EVENT:
            return f"{name} {{ ...EventFields }}"
        return name if is_leaf_type(named) else f"{name} {{ {self.plain(_object(named))} }}"

    def _is_taken(self, field: GraphQLField, of: GraphQLNamedType) -> bool:
        """Whether the field of this type is selected."""
        named = get_named_type(field.type)
        if field.args:
            return False
        if named.name == _EVENT:
            return _is_list(field)
        return self._is_plain(named, (of,))

    def _is_plain(self, named: object, within: tuple[GraphQLNamedType, ...]) -> bool:
        if is_leaf_type(named):
            return True
        if not isinstance(named, GraphQLObjectType):
            return False
        if named.name in _BRIEF:
            return within[-1].name == _SETTLEMENT
        if named.name == _COMPUTED or named.interfaces or named in within:
            return False
        return all(
            not field.args and self._is_plain(get_named_type(field.type), (*within, named))
            for field in named.fields.values()
        )

    def _abstract(self, name: str) -> Abstract:
        type_ = self._schema.get_type(name)
        assert is_abstract_type(type_), name
        return type_


def _object(type_: object) -> GraphQLObjectType:
    assert isinstance(type_, GraphQLObjectType)
    return type_


def _is_list(field: GraphQLField) -> bool:
    return is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type)
