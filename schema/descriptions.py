"""The descriptions of what occurs in many types with one meaning: arguments, pages, conditions, fields.

What occurs once is described where it is declared. What a domain declares has the words of its author, and
those of its constraints; see `described` in types/field_types.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLSchema,
    is_introspection_type,
)

from commander.domain import Domain
from commander.domain.attribute_docs import attribute_docs
from commander.schema.names import camel, capitalized, uncapitalized
from commander.schema.naming import PLAIN, ROOTS, Naming

_TYPES = {
    "Query": "What can be read: rows of projections, events, commands, and what has failed.",
    "Mutation": "What can be changed: one mutation for each command, and the work of operators.",
    "Subscription": "What can be followed: events, rows of projections, and commands.",
    "PageInfo": "Where a page of a list begins and ends.",
}
_TYPES_BY_ENDING = {
    "Connection": "A page of a list.",
    "Edge": "An item of a page, with its cursor.",
}
_ARGUMENTS = {
    "after": "The page begins behind this cursor: that of the last item that you have.",
    "asOf": "A point in the past.",
    "before": "The page ends before this cursor.",
    "commandId": "The id of the command.",
    "behind": "Also a table that no process keeps up with the log, and that is behind.",
    "commands": "The commands, in the order in which they are submitted.",
    "depth": "The most reactions between the root and a command of the tree.",
    "effect": "The name of the effect.",
    "filter": "Only what matches this filter. By default everything.",
    "first": "The most items, counted from the beginning.",
    "hold": "Do not switch to the table when it is filled.",
    "id": "The id.",
    "ids": "The ids, in the order of the answer.",
    "input": "The fields of the command.",
    "key": "The key of the reactor whose events wait, as text.",
    "last": "The most items, counted from the end.",
    "options": "How it is submitted, and how long the mutation waits.",
    "orderBy": "The columns of one index, with their directions. By default the key.",
    "position": "The position of the event.",
    "projection": "The name of the projection.",
    "reactor": "The name of the reactor.",
    "representations": "The objects, each by its type and key.",
    "table": "The name of the table, as the field `system` shows it.",
    "where": "Only rows that match this filter. By default all rows.",
}
_ARGUMENTS_OF = {
    "Query.events(after)": "The position behind which the page begins.",
    "Query.events(before)": "The position ahead of which the page ends.",
    "Query.reactorFailures(reactor)": "Only the keys of this reactor. By default those of all.",
    "Subscription.events(after)": "The position behind which the events begin: that of the last item that "
    "you received.",
}
_FIELDS_BY_ENDING: Mapping[str, Mapping[str, str]] = {
    "Connection": {
        "edges": "The items of the page, with their cursors.",
        "pageInfo": "Where the page begins and ends.",
    },
    "Edge": {
        "cursor": "The place of the item in the list, for `after` and `before`.",
        "node": "The item.",
    },
    "Condition": {
        "eq": "Equal to this value.",
        "ne": "Not equal to this value, or null.",
        "in": "Equal to one of these values.",
        "notIn": "Equal to none of these values, or null.",
        "lt": "Less than this value.",
        "lte": "Less than this value, or equal to it.",
        "gt": "Greater than this value.",
        "gte": "Greater than this value, or equal to it.",
        "startsWith": "Begins with this text, in the same case.",
        "isNull": "True: the column is null. False: it has a value.",
    },
    "Order": {
        "column": "The column.",
        "direction": "The direction. By default ascending.",
    },
    "LiveChange": {"kind": "What happened to the row in the list."},
}
_FIELDS = {
    "actor": "Who it was, as the API's authentication named them. Null if nobody was named.",
    "aggregate": "The name of the aggregate that the event belongs to.",
    "aggregates": "Names of aggregates.",
    "at": "When.",
    "attempts": "How often it was tried.",
    "code": "Why, for a program: a code that does not change.",
    "command": "The command.",
    "commandId": "The id of the command.",
    "correlationId": "The id that a client's command and all that follows from it share.",
    "currentVersion": "The version that the stream has.",
    "data": "The content, as JSON.",
    "decidedAt": "When the command was decided. Null until then.",
    "deed": "What was done.",
    "effect": "The name of the effect.",
    "endCursor": "The cursor of the last item. Null if the page is empty.",
    "error": "The exception, as text.",
    "event": "The event.",
    "events": "The events that the command made.",
    "eventType": "The type of the event that failed.",
    "expectedVersion": "The version that the client expected the stream to have.",
    "failedAt": "When it failed last.",
    "host": "The name of the host.",
    "id": "The id.",
    "message": "Why, for a person.",
    "name": "The name.",
    "position": "The position in the log.",
    "process": "The number of the process on its host.",
    "problems": "What is wrong, each with its path in the input.",
    "projection": "The name of the projection.",
    "reactor": "The name of the reactor.",
    "row": "The row. Null if the event removed it.",
    "reason": "Why, for a person.",
    "recordedAt": "When the event was stored.",
    "schemaVersion": "The version of the event's shape, with which it was stored.",
    "stage": "What the command waits for.",
    "startCursor": "The cursor of the first item. Null if the page is empty.",
    "state": "What happens to it now.",
    "status": "How far the command has come.",
    "statuses": "Where the commands have ended: APPLIED, REJECTED or FAILED.",
    "stream": "The name of the stream.",
    "streams": "Names of streams.",
    "submittedAt": "When the command was submitted.",
    "table": "The name of the table in Postgres.",
    "traceback": "The traceback of the exception.",
    "type": "The name of the type.",
    "types": "Names of types.",
    "version": "The version of the stream.",
    "wait": "How long the mutation waits. By default until the command is decided.",
}


def describe(
    schema: GraphQLSchema, domain: Domain, own: Mapping[str, frozenset[str]], naming: Naming = PLAIN
) -> None:
    """Describes what has no description yet.

    own: the names of the fields that the domain declares, by type. They keep the words of the author.
    """
    about = _of_domain(domain)
    for type_ in schema.type_map.values():
        if is_introspection_type(type_):
            continue
        name = naming.plain_type(type_.name)
        if name not in own or name in about:
            _set(type_, about.get(name) or _TYPES.get(name) or _by_ending(_TYPES_BY_ENDING, name))
        if isinstance(type_, GraphQLEnumType):
            _describe_values(type_, name, about)
        for shown, declared in _fields(type_):
            field = naming.plain_field(name, shown)
            at = f"{name}.{field}"
            if field not in own.get(name, ()):
                shared = _by_ending(_FIELDS_BY_ENDING, name) or {}
                _set(
                    declared, about.get(at) or shared.get(field) or _of_row(name, field) or _FIELDS.get(field)
                )
            for argument, given in getattr(declared, "args", {}).items():
                here = f"{at}({argument})"
                _set(given, about.get(here) or _ARGUMENTS_OF.get(here) or _ARGUMENTS.get(argument))
    if naming.prefix:
        for described in _of_commander(schema, own, naming):
            described.description = naming.text(described.description or "") or None
        _describe_node(schema)


def _describe_node(schema: GraphQLSchema) -> None:
    """Several subgraphs have the interface, so its words are the same in all of them."""
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType), "rows, commands and events implement it"
    node.description = "An object with an id of its own."
    node.fields[
        "id"
    ].description = "The id: unique over all types, and always the same. It is not to be read."


def _of_commander(schema: GraphQLSchema, own: Mapping[str, frozenset[str]], naming: Naming) -> Iterator[Any]:
    """What has a description of Commander's own. The author's may mean something else by the same words."""
    for type_ in schema.type_map.values():
        name = naming.plain_type(type_.name)
        if is_introspection_type(type_) or name == "AnyCommand":
            continue
        if name not in own:
            yield type_
            yield from getattr(type_, "values", {}).values()
        for shown, declared in _fields(type_):
            of_the_author = name in ROOTS and naming.plain_field(name, shown) == shown
            if shown not in own.get(name, ()) and not of_the_author:
                yield declared
            yield from getattr(declared, "args", {}).values()


def _set(described: Any, text: str | None) -> None:
    described.description = described.description or text


def _fields(type_: GraphQLNamedType) -> Iterator[tuple[str, Any]]:
    yield from getattr(type_, "fields", {}).items()


def _by_ending(texts: Mapping[str, Any], name: str) -> Any:
    return next((text for ending, text in texts.items() if name.endswith(ending)), None)


def _of_row(type_: str, field: str) -> str | None:
    """Of a filter: its fields are named as the columns. Of a change: its only other field is the key."""
    if type_.endswith("Where"):
        return f"Conditions on the column `{field}`."
    return "The key of the row." if type_.endswith("LiveChange") else None


def _describe_values(type_: GraphQLEnumType, plain_name: str, about: Mapping[str, str]) -> None:
    """Of a class: the texts below its members. Of an enum made from a domain's names: the name."""
    definition = (type_.extensions or {}).get("strawberry-definition")
    python: type[Enum] | None = getattr(definition, "wrapped_cls", None)
    texts = {} if python is None else attribute_docs(python)
    for name, value in type_.values.items():
        text = texts.get(name) or about.get(f"{plain_name}.{name}")
        if text is None and python is not None and type_.name.endswith("Column"):
            text = f"The column `{camel(python[name].value)}`."
        _set(value, text)


def _of_domain(domain: Domain) -> Mapping[str, str]:
    """What Commander makes from a domain's types, where their docstrings say nothing."""
    texts: dict[str, str] = {}
    for event in domain.events.values():
        texts[event.name] = f"The event `{event.name}`."
    for command in domain.commands.values():
        field = uncapitalized(command.name)
        texts[f"{command.name}Input"] = f"The fields of the command `{command.name}`."
        texts[f"Mutation.{field}"] = f"Submits the command `{command.name}`."
        texts[f"AnyCommand.{field}"] = command.doc or f"The command `{command.name}`."
    for projection in domain.projections.values():
        query, key = camel(projection.query), camel(projection.key)
        texts[capitalized(query)] = f"A row of the projection `{query}`."
        texts[f"Query.{query}"] = "A row by its key. Null if there is no such row."
        past = (f"Query.{query}At", f"Query.{query}History")
        for at in (f"Query.{query}", *past, f"Subscription.{query}"):
            texts[f"{at}({key})"] = "The key of the row."
        texts[f"ProjectionName.{projection.query.upper()}"] = f"The projection of the query `{query}`."
    return texts
