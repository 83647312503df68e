"""The example operations of GraphiQL: one of each kind, made from the domain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from textwrap import fill
from typing import Any
from uuid import UUID

import annotated_types as at
import msgspec

from commander.domain import BigInt, CommandType, Domain, Field, ProjectionType
from commander.domain.aggregates import AggregateType
from commander.domain.constraints import first_broken
from commander.domain.fields import EnumType, FieldType, ListType, RecordType, ScalarType
from commander.domain.links import links_of
from commander.schema.http.graphiql_page import Example, Row
from commander.schema.names import camel, capitalized, uncapitalized
from commander.schema.naming import PLAIN, Naming

_WIDTH = 46
"""The columns of GraphiQL's editor on a screen of 1280 pixels, without those of the `# ` of a comment."""
_VALUES: dict[Any, Any] = {
    str: "Ada",
    bool: True,
    int: 1,
    BigInt: 1,
    float: 1.5,
    Decimal: Decimal("10.00"),
    UUID: UUID("00000000-0000-4000-8000-000000000001"),
    datetime: datetime(2030, 1, 1, tzinfo=UTC),
    date: date(2030, 1, 1),
    time: time(12),
}


def examples_of(domain: Domain, naming: Naming = PLAIN) -> list[Example]:
    """Mutations with the first command and a second one on what it made, a query, and the feed."""
    commands = [command for command in domain.commands.values() if not command.internal]
    found = [_mutation(command, naming) for command in commands[:1]]
    for command, aggregate in _next(domain, commands):
        found.append(_second(commands[0], _mutation(command, naming), aggregate))
    if domain.projections:
        found.append(_query(domain))
    return [*found, _subscription(domain, naming)]


def _next(domain: Domain, commands: list[CommandType]) -> Iterator[tuple[CommandType, AggregateType]]:
    """The next command that is decided on the aggregate of the first one and must name an instance of it."""
    for aggregate in domain.aggregates.values():
        own = [command for command in domain.commands_of(aggregate) if not command.internal]
        if not own or own[0] is not commands[0]:
            continue
        for command in own[1:]:
            if any(field.name == aggregate.key and field.required for field in command.fields):
                yield command, aggregate
                return


def _second(first: CommandType, example: Example, aggregate: AggregateType) -> Example:
    key = camel(aggregate.key)
    value = json.loads(example.variables)["input"][key]
    hint = f"Run {first.name} first: its {key} comes into the variables here."
    name = f"{example.name}\n{_comment(hint)}"
    return replace(example, name=name, row=Row(key, value, f"{aggregate.stored_name}-"))


def _mutation(command: CommandType, naming: Naming) -> Example:
    query = f"""mutation {command.name}($input: {command.name}Input!) {{
  {uncapitalized(command.name)}(
    input: $input
    options: {{ wait: PROJECTED }}
  ) {{
    __typename
    ... on {naming.type("CommandApplied")} {{
      stream
      version
      events {{ type position }}
    }}
    ... on {naming.type("CommandRejected")} {{ code message }}
    ... on {naming.type("CommandInvalid")} {{
      problems {{ path message }}
    }}
  }}
}}"""
    required = {camel(f.name): _value(f.type, f.constraints) for f in command.fields if f.required}
    variables = json.dumps({"input": required}, indent=2)
    return Example(_comment(_first_line(command.doc) or command.name), query, variables)


def _query(domain: Domain) -> Example:
    projection = next(iter(domain.projections.values()))
    plural = camel(projection.plural)
    query = f"""query {capitalized(plural)} {{
  {plural}(first: 10) {{
    totalCount
    edges {{
      node {{
{_selected(projection.fields, indent=8)}{_list_of_link(domain, projection)}
      }}
    }}
  }}
}}"""
    return Example(_comment(_first_line(projection.doc) or plural), query)


def _list_of_link(domain: Domain, projection: ProjectionType) -> str:
    """A list of rows that refer to each row, if there is one."""
    links = [link for link in links_of(domain.projections) if link.target is projection and link.reverse]
    if not links:
        return ""
    return f"""
        {links[0].reverse}(first: 3) {{
          totalCount
          edges {{
            node {{
{_selected(links[0].source.fields, indent=14)}
            }}
          }}
        }}"""


def _subscription(domain: Domain, naming: Naming) -> Example:
    event = next((event for event in domain.events.values() if _plain(event.fields)), None)
    own = f"\n    ... on {event.name} {{\n{_selected(event.fields, indent=6)}\n    }}" if event else ""
    query = f"""subscription Feed {{
  {naming.field("events")}(after: "0") {{
    __typename
    position
    ... on {naming.type("Event")} {{ stream version recordedAt }}{own}
    ... on {naming.type("StandsStill")} {{
      stood: since why: reason
    }}
  }}
}}"""
    name = "The whole history, then live. Run a mutation in another tab: the list here goes on."
    return Example(_comment(name), query)


def _comment(text: str) -> str:
    return fill(text, _WIDTH)


def _first_line(doc: str) -> str:
    return doc.split("\n")[0]


def _plain(fields: tuple[Field, ...]) -> list[str]:
    """The names of the fields that need no selection set."""
    return [camel(f.name) for f in fields if isinstance(f.type, ScalarType | EnumType)]


def _selected(fields: tuple[Field, ...], *, indent: int) -> str:
    space = " " * indent
    names = " ".join(_plain(fields)) or "__typename"
    return fill(names, _WIDTH, initial_indent=space, subsequent_indent=space, break_long_words=False)


def _value(type_: FieldType, constraints: tuple[Any, ...]) -> Any:
    """A value for the variables. It satisfies the constraints, if one of the candidates does."""
    match type_:
        case ScalarType(python):
            tried = list(_tried(_VALUES[python], constraints))
            kept = (value for value in tried if _keeps(value, constraints))
            return msgspec.to_builtins(next(kept, tried[0]))
        case EnumType(python):
            return next(iter(python)).name
        case RecordType(_, fields):
            return {camel(f.name): _value(f.type, f.constraints) for f in fields if f.required}
        case ListType(_, item, _, of_items):
            shortest = max((c.min_length for c in constraints if isinstance(c, at.MinLen)), default=0)
            return [_value(item, of_items)] * shortest


def _tried(usual: Any, constraints: tuple[Any, ...]) -> Iterator[Any]:
    """The candidates: the usual value, then values at the bounds of the constraints."""
    yield usual
    for constraint in constraints:
        match constraint:
            case at.MinLen(length):
                yield (usual * length)[: max(length, len(usual))]
            case at.MaxLen(length):
                yield usual[:length]
            case at.Ge(edge) | at.Le(edge) | at.MultipleOf(edge):
                yield edge
            case at.Gt(edge):
                yield from _beside(edge, 1, usual)
            case at.Lt(edge):
                yield from _beside(edge, -1, usual)


def _beside(edge: Any, step: int, usual: Any) -> Iterator[Any]:
    if isinstance(usual, int | float | Decimal):
        yield type(usual)(edge) + step


def _keeps(value: Any, constraints: tuple[Any, ...]) -> bool:
    try:
        return first_broken(constraints, value) is None
    except Exception:  # a predicate of the domain may raise on such a value
        return False
