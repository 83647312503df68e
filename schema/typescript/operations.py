"""The operations of a domain: one per command, four per projection, one per unique key, and the feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphql import (
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLType,
    get_named_type,
    is_abstract_type,
    is_required_argument,
)

from commander.domain import Domain, ProjectionType
from commander.domain.unique_rows import unique_rows_of
from commander.schema.names import camel, capitalized, uncapitalized
from commander.schema.typescript.selecting import Selecting

PAGE_INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
LIVE_ITEM = "cursor position standsStill { since reason }"
RESUMING = ("after", "atLeast")
"""The arguments of a subscription to rows that the client fills in."""


@dataclass(frozen=True)
class Rows:
    """A projection by its names in GraphQL. columns: the fields of a row that its own columns are.

    by_keys: the queries of a row by its unique keys.
    past: the type of a row of the past, which the query `at` gives. None if the projection has none.
    """

    type: GraphQLObjectType
    one: str
    many: str
    at: str
    key: str
    columns: tuple[str, ...]
    by_keys: tuple[str, ...]
    past: GraphQLObjectType | None


class Operations:
    """The documents of a domain and what they are about."""

    def __init__(self, domain: Domain, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.selecting = Selecting(schema)
        commands = [uncapitalized(c.name) for c in domain.commands.values() if not c.internal]
        mutations = _fields(schema.mutation_type)
        self.commands = {name: mutations[name] for name in commands}
        self.rows = [self._rows(domain, projection) for projection in domain.projections.values()]

    def command(self, name: str) -> str:
        outcome = get_named_type(self.commands[name].type)
        assert is_abstract_type(outcome), name
        selected = self.selecting.any_of(outcome)
        return self._with_events(_document("mutation", name, self.commands[name], selected))

    def feed(self) -> str:
        field = _fields(self.schema.subscription_type)["events"]
        return self._with_events(_document("subscription", "events", field, self.selecting.items))

    def _with_events(self, document: str) -> str:
        """The document, with the fragment for an event if it uses it."""
        events = f"fragment EventFields on Event {{ {self.selecting.events} }}"
        return f"{document} {events}" if "...EventFields" in document else document

    def queries(self, rows: Rows) -> Iterator[tuple[str, str]]:
        """(name, document)"""
        fields, row = _fields(self.schema.query_type), self._row(rows)
        for name in (rows.one, *rows.by_keys):
            yield name, _document("query", name, fields[name], row)
        page = f"edges {{ cursor node {{ {row} }} }} {PAGE_INFO}"
        yield rows.many, _document("query", rows.many, fields[rows.many], page)

    def past(self, rows: Rows) -> str:
        """The query for a row of the past. rows: those that have a past."""
        assert rows.past is not None, rows.at
        field = _fields(self.schema.query_type)[rows.at]
        return _document("query", rows.at, field, self.selecting.plain(rows.past))

    def live(self, rows: Rows) -> Iterator[tuple[str, str]]:
        """(name, document)"""
        fields, row = _fields(self.schema.subscription_type), self._row(rows)
        one = f"{LIVE_ITEM} row {{ {row} }}"
        yield rows.one, _document("subscription", rows.one, fields[rows.one], one)
        many = f"{LIVE_ITEM} snapshot changes {{ {rows.key} row {{ {row} }} }}"
        yield rows.many, _document("subscription", rows.many, fields[rows.many], many)

    def _row(self, rows: Rows) -> str:
        return self.selecting.plain(rows.type, rows.columns)

    def _rows(self, domain: Domain, projection: ProjectionType) -> Rows:
        one, many = camel(projection.query), camel(projection.plural)
        type_ = self.schema.get_type(capitalized(one))
        assert isinstance(type_, GraphQLObjectType), one
        columns = tuple(field.graphql_name for field in projection.fields)
        at = f"{one}At"
        past = _fields(self.schema.query_type).get(at)
        of_past = None if past is None else get_named_type(past.type)
        assert of_past is None or isinstance(of_past, GraphQLObjectType), at
        by_keys = tuple(rows.query for rows in unique_rows_of(domain, projection))
        return Rows(type_, one, many, at, projection.key_field.graphql_name, columns, by_keys, of_past)


def _fields(root: GraphQLObjectType | None) -> dict[str, GraphQLField]:
    return {} if root is None else root.fields


def _document(kind: str, name: str, field: GraphQLField, selected: str) -> str:
    """An operation with a variable for each argument of its field. A default stays with the API."""
    declared = ", ".join(f"${given}: {type_}" for given, type_ in _variables(field))
    given = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    head = f"{kind} {capitalized(name)}" + (f"({declared})" if declared else "")
    call = f"{name}({given})" if given else name
    return f"{head} {{ {call} {{ {selected} }} }}"


def _variables(field: GraphQLField) -> Iterable[tuple[str, str]]:
    for name, argument in field.args.items():
        type_: GraphQLType = argument.type
        if isinstance(type_, GraphQLNonNull) and not is_required_argument(argument):
            type_ = type_.of_type
        yield name, str(type_)
