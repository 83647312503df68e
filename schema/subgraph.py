"""The schema of a subgraph as text, with the directives of Apollo Federation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from graphql import (
    ConstDirectiveNode,
    DefinitionNode,
    DocumentNode,
    NameNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    parse,
    print_ast,
)

_LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key", "@shareable"])'
"""The first version that has both directives, so that every gateway of Federation 2 reads it."""
_OF_THE_GATEWAY = frozenset({"_Any", "_Entity", "_Service", "_service", "_entities"})
"""Types and fields that each subgraph has, so that its text leaves them out."""


@dataclass(frozen=True)
class Subgraph:
    """What a gateway must know beside the schema.

    keys: the field by which a row is found, by the name of its type. others: the same of objects that other
    subgraphs have. shared: types that several subgraphs may have, with the same fields.
    """

    keys: Mapping[str, str]
    others: Mapping[str, str]
    shared: Collection[str]

    def sdl(self, text: str) -> str:
        """text: the schema without directives of Federation."""
        definitions = [
            self._marked(one)
            for one in parse(text, no_location=True).definitions
            if _name(one) not in _OF_THE_GATEWAY
        ]
        linked = parse(_LINK, no_location=True).definitions
        return print_ast(DocumentNode(definitions=(*linked, *definitions)))

    def _marked(self, definition: DefinitionNode) -> DefinitionNode:
        if not isinstance(definition, ObjectTypeDefinitionNode):
            return definition
        name = definition.name.value
        marks = [_directive(text) for text in self._directives(name)]
        fields = [field for field in definition.fields or () if field.name.value not in _OF_THE_GATEWAY]
        made = replace(definition, directives=(*(definition.directives or ()), *marks), fields=tuple(fields))
        if name in self.others:  # who has the object describes it
            undescribed = tuple(replace(field, description=None) for field in fields)
            made = replace(made, description=None, fields=undescribed)
        return made

    def _directives(self, name: str) -> Iterator[str]:
        if name in self.keys:
            yield f'@key(fields: "{self.keys[name]}")'
        if name in self.others:
            yield f'@key(fields: "{self.others[name]}", resolvable: false)'
        if name in self.shared:
            yield "@shareable"


def _name(definition: DefinitionNode) -> str | None:
    name = getattr(definition, "name", None)
    return name.value if isinstance(name, NameNode) else None


def _directive(text: str) -> ConstDirectiveNode:
    [definition] = parse(f"scalar A {text}", no_location=True).definitions
    assert isinstance(definition, ScalarTypeDefinitionNode), "it was written as one"
    [directive] = definition.directives or ()
    return directive
