"""The schema as a viewer sees it, if COMMANDER_INTROSPECTION is `visible`: what its roles can ever reach.

A document is validated, and its variables are checked, against that schema. So what is hidden is unknown in
each error and each suggestion. It is executed on the whole schema, because its resolvers belong to that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from graphql import (
    DefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    GraphQLSchema,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from commander.domain import Domain, Rights
from commander.domain.links import links_of
from commander.domain.reach import Reach, roles_in_rules
from commander.domain.unique_rows import unique_rows_of
from commander.schema.execution.reduced_schema import Hidden, reduced
from commander.schema.names import uncapitalized
from commander.schema.naming import ROOTS, Naming
from commander.schema.types.projections import names_of, type_name

_KEPT = 16
"""How many schemas are kept: one for each set of the roles that rules name. One takes some megabytes."""


class VisibleSchemas:
    """The schemas of one API, by roles.

    for_operators: the names of the root fields that only operators may use.
    """

    def __init__(
        self, schema: GraphQLSchema, domain: Domain, naming: Naming, for_operators: Collection[str]
    ) -> None:
        self._schema = schema
        self._domain = domain
        self._naming = naming
        self._for_operators = for_operators
        self._roles = roles_in_rules(domain)
        self._of = lru_cache(maxsize=_KEPT)(self._made)
        self._text = lru_cache(maxsize=_KEPT)(_text_of)

    def for_viewer(self, rights: Rights | None) -> GraphQLSchema:
        """The schema for these rights: all of it for operators, and if authentication is off."""
        if rights is None or rights.is_operator:
            return self._schema
        return self._of(rights.viewer.roles & self._roles)

    @cached_property
    def for_nobody(self) -> GraphQLSchema:
        """The schema for who has no role."""
        return self._of(frozenset())

    def text_for(self, rights: Rights | None, whole: str) -> str:
        """The schema for these rights as text. whole: that of the whole schema, with its directives."""
        schema = self.for_viewer(rights)
        return whole if schema is self._schema else self._text(schema, whole)

    def _made(self, roles: frozenset[str]) -> GraphQLSchema:
        return reduced(self._schema, self._hidden(Reach(self._domain, roles)))

    def _hidden(self, reach: Reach) -> Hidden:
        domain, naming = self._domain, self._naming
        types: set[str] = set()
        members = {(root, name) for root in ROOTS for name in self._for_operators}
        sent = {command.name for command in reach.commands()}
        for command in domain.commands.values():
            if command.name not in sent:
                shown = uncapitalized(command.name)
                members |= {("Mutation", shown), (naming.type("AnyCommand"), shown)}
                members.add((naming.type("CommandRejected"), f"{shown}Code"))
        for event in (*domain.events.values(), domain.rejection):
            name = naming.type(event.name) if event is domain.rejection else event.name
            members |= {(name, field.graphql_name) for field in reach.hidden(event)}
            if not reach.shows(event):
                types.add(name)
        for row in domain.projections.values():
            hidden = reach.hidden(row)
            members |= {
                ("Query", rows.query)
                for rows in unique_rows_of(domain, row)
                if any(column in hidden for column in rows.columns)
            }
            for field in hidden:
                members |= {(of, field.graphql_name) for of in _shapes(type_name(row))}
                members.add((f"{type_name(row)}Column", field.name.upper()))
            if not reach.shows(row):
                types |= set(names_of(row))
                members.add((naming.type("ProjectionName"), row.query.upper()))
        for link in links_of(domain.projections):
            if link.field in reach.hidden(link.source):
                members |= {(of, link.name) for of in _shapes(type_name(link.source))}
                members.add((type_name(link.target), link.reverse or ""))
        return Hidden(frozenset(types), frozenset(members))


def _shapes(name: str) -> list[str]:
    """The types that have the columns of a row: the row, its past, and the filter."""
    return [name, f"{name}At", f"{name}Where"]


def _text_of(schema: GraphQLSchema, whole: str) -> str:
    definitions = (_left(one, schema) for one in parse(whole, no_location=True).definitions)
    return print_ast(DocumentNode(definitions=tuple(one for one in definitions if one is not None)))


def _left(definition: DefinitionNode, schema: GraphQLSchema) -> DefinitionNode | None:
    """What a schema has of a definition. A definition of anything but a type stays."""
    if not isinstance(definition, TypeDefinitionNode):
        return definition
    type_: Any = schema.type_map.get(definition.name.value)
    match definition:
        case _ if type_ is None:
            return None
        case EnumTypeDefinitionNode():
            return replace(definition, values=_in(definition.values, type_.values))
        case UnionTypeDefinitionNode():
            return replace(definition, types=_in(definition.types, [one.name for one in type_.types]))
        case InputObjectTypeDefinitionNode():
            return replace(definition, fields=_in(definition.fields, type_.fields))
        case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
            fields = tuple(
                replace(one, arguments=_in(one.arguments, type_.fields[one.name.value].args))
                for one in _in(definition.fields, type_.fields)
            )
            interfaces = _in(definition.interfaces, [one.name for one in type_.interfaces])
            return replace(definition, fields=fields, interfaces=interfaces)
    return definition


def _in(nodes: Iterable[Any] | None, names: Collection[str]) -> tuple[Any, ...]:
    return tuple(node for node in nodes or () if node.name.value in names)
