"""The files of a client in TypeScript, as texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from graphql import GraphQLField, build_schema, get_named_type, is_abstract_type

from commander.domain import Domain
from commander.schema.typescript.coding import Codecs, codec_imports, codec_type_imports, codecs_of, coding
from commander.schema.typescript.operations import RESUMING, Operations, Rows
from commander.schema.typescript.selecting import Abstract
from commander.schema.typescript.type_text import comment, declarations, members, quoted

HEAD = "// Written by `commander client typescript` from the domain. Do not edit: write it again.\n"
_PAGE_INFO = (
    "{ hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }"
)
_CONNECT = """
/** The client of this domain. `url` is that of the API over HTTP, such as https://example.org/graphql. */
export function connect(options: ClientOptions): Client<Shapes> {
  return createClient<Shapes>(domain, options);
}
"""


def typescript_files(domain: Domain, schema: str, with_codecs: Iterable[str] = ()) -> Mapping[str, str]:
    """The text of each file, by its name. schema: that of the domain, in SDL.

    with_codecs: texts such as `Decimal=../codecs.js`, see coding.py. Raises CommanderError.
    """
    operations = Operations(domain, build_schema(schema))
    codecs = codecs_of(with_codecs, operations.schema)
    return {
        "types.ts": HEAD + "\n" + _lines(_types(operations, codecs)),
        "operations.ts": HEAD + "\n" + _lines(_operations(operations, codecs)),
        "caches.ts": HEAD + "\n" + _lines(_caches(operations)),
        "index.ts": HEAD + "\n" + _lines(_index(operations)),
        "schema.graphql": schema.rstrip() + "\n",
    }


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _types(operations: Operations, codecs: Codecs) -> Iterator[str]:
    yield from codec_type_imports(codecs)
    yield from declarations(operations.schema, codecs)
    written: set[str] = set()
    for abstract in _abstracts(operations):
        members_of = operations.selecting.possible(abstract)
        for one in members_of:
            if one.name not in written:
                written.add(one.name)
                yield ""
                yield from comment(one.description)
                first, *rest = operations.selecting.object_type(one)
                yield f"export type {one.name} = {first}"
                yield from rest[:-1]
                yield "};"
        yield ""
        yield from comment(abstract.description)
        yield f"export type {abstract.name} = {' | '.join(one.name for one in members_of)};"
    for rows in operations.rows:
        yield ""
        yield from comment(rows.type.description)
        first, *rest = operations.selecting.object_type(rows.type, rows.columns, named=False)
        yield f"export type {rows.type.name} = {first}"
        yield from rest[:-1]
        yield "};"


def _abstracts(operations: Operations) -> Iterable[Abstract]:
    """The interfaces and unions that an operation gives."""
    named = [
        "Event",
        "FeedItem",
        *(get_named_type(field.type).name for field in operations.commands.values()),
    ]
    for name in dict.fromkeys(named):
        type_ = operations.schema.get_type(name)
        assert is_abstract_type(type_), name
        yield type_


def _operations(operations: Operations, codecs: Codecs) -> Iterator[str]:
    yield 'import type { Domain } from "@commander/client";'
    yield from codec_imports(codecs)
    yield ""
    yield "export const domain: Domain = {"
    yield f"  feed: {json.dumps(operations.feed())},"
    yield "  commands: {"
    yield from (f"    {name}: {json.dumps(operations.command(name))}," for name in operations.commands)
    yield "  },"
    yield "  queries: {"
    for rows in operations.rows:
        yield from (f"    {name}: {json.dumps(document)}," for name, document in operations.queries(rows))
    yield "  },"
    yield "  live: {"
    for rows in operations.rows:
        for name, document in operations.live(rows):
            key, row = quoted(rows.key), quoted(rows.type.name)
            yield f"    {name}: {{ key: {key}, type: {row}, document: {json.dumps(document)} }},"
    yield "  },"
    yield from coding(operations, codecs)
    yield "};"


def _caches(operations: Operations) -> Iterator[str]:
    yield "/** Which types an interface or a union can be: `possibleTypes` of Apollo Client. */"
    yield "export const possibleTypes: Record<string, string[]> = {"
    for name, type_ in sorted(operations.schema.type_map.items()):
        if is_abstract_type(type_) and not name.startswith("__"):
            names = [one.name for one in operations.selecting.possible(type_)]
            yield f"  {name}: {json.dumps(names)},"
    yield "};"
    yield ""
    yield "/** The fields that identify a row, by its type. */"
    yield "export const keyFields: Record<string, string[]> = {"
    yield from (f"  {rows.type.name}: {json.dumps([rows.key])}," for rows in operations.rows)
    yield "};"
    yield ""
    yield "/** The same for Apollo Client: `typePolicies` of InMemoryCache. */"
    yield "export const typePolicies: Record<string, { keyFields: string[] }> = {"
    yield from (f"  {rows.type.name}: {{ keyFields: {json.dumps([rows.key])} }}," for rows in operations.rows)
    yield "};"
    yield ""
    yield "type Key = (row: { [field: string]: unknown }) => string | null;"
    yield "const key = (field: string): Key => (row) => (row[field] == null ? null : String(row[field]));"
    yield ""
    yield "/** The same for urql: `keys` of Graphcache. A row that was selected without its key has none. */"
    yield "export const keys: Record<string, Key> = {"
    yield from (f"  {rows.type.name}: key({json.dumps(rows.key)})," for rows in operations.rows)
    yield "};"


def _index(operations: Operations) -> Iterator[str]:
    query, live = operations.schema.query_type, operations.schema.subscription_type
    assert query is not None, "each schema has queries"
    assert live is not None, "each schema has subscriptions"
    yield 'import { createClient, type Client, type ClientOptions } from "@commander/client";'
    yield 'import { domain } from "./operations.js";'
    yield 'import type * as types from "./types.js";'
    yield ""
    yield 'export type * from "./types.js";'
    yield 'export { keyFields, keys, possibleTypes, typePolicies } from "./caches.js";'
    yield ""
    yield "export type Shapes = {"
    yield "  item: types.FeedItem;"
    yield "  filter: types.EventFilter;"
    yield "  options: types.CommandOptions;" if operations.commands else "  options: {};"
    yield "  commands: {"
    for name, field in operations.commands.items():
        given, outcome = get_named_type(field.args["input"].type), get_named_type(field.type)
        yield f"    {name}: {{ input: types.{given.name}; outcome: types.{outcome.name} }};"
    yield "  };"
    yield "  queries: {"
    for rows in operations.rows:
        row = f"types.{rows.type.name}"
        for name in (rows.one, *rows.by_keys):
            yield from _shape(name, query.fields[name], f"result: {row} | null")
        page = f"{{ edges: {{ cursor: string; node: {row} }}[]; pageInfo: {_PAGE_INFO} }}"
        yield from _shape(rows.many, query.fields[rows.many], f"result: {page}")
    yield "  };"
    yield "  live: {"
    for rows in operations.rows:
        yield from _live_shapes(rows, live.fields)
    yield "  };"
    yield "};"
    yield _CONNECT.rstrip()


def _live_shapes(rows: Rows, fields: Mapping[str, GraphQLField]) -> Iterator[str]:
    for name in (rows.one, rows.many):
        yield from _shape(name, fields[name], f"row: types.{rows.type.name}", without=RESUMING)


def _shape(name: str, field: GraphQLField, given: str, without: Iterable[str] = ()) -> Iterator[str]:
    arguments = {key: value for key, value in field.args.items() if key not in without}
    yield f"    {name}: {{"
    yield "      arguments: {"
    yield from (f"      {line}" for line in members(arguments, "types."))
    yield "      };"
    yield f"      {given};"
    yield "    };"
