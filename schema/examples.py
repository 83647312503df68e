"""The operations that GraphiQL opens on: one of each kind, made from the domain, short and working."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import annotated_types as at

from commander.domain import BigInt, CommandType, Domain, Field
from commander.domain.fields import EnumType, ListType, RecordType, ScalarType
from schema.ide import Example
from schema.names import camel, capitalized, uncapitalized

_VALUES: dict[Any, Any] = {
    str: "Ada",
    bool: True,
    int: 1,
    BigInt: "1",
    float: 1.5,
    Decimal: "10.00",
    UUID: "00000000-0000-4000-8000-000000000001",
    datetime: datetime(2030, 1, 1, tzinfo=UTC).isoformat(),
    date: date(2030, 1, 1).isoformat(),
    time: time(12).isoformat(),
}


def examples_of(domain: Domain) -> list[Example]:
    """A mutation of the first command, a query of the first projection, and the feed."""
    found = [_subscription()]
    commands = [command for command in domain.commands.values() if not command.internal]
    if commands:
        found.insert(0, _mutation(commands[0]))
    if domain.projections:
        found.insert(len(found) - 1, _query(domain))
    return found


def _mutation(command: CommandType) -> Example:
    field = uncapitalized(command.name)
    query = f"""mutation {command.name}($input: {command.name}Input!) {{
  {field}(input: $input) {{
    __typename
    ... on CommandApplied {{ stream position version events {{ type position }} }}
    ... on CommandRejected {{ code message }}
    ... on CommandInvalid {{ problems {{ path message }} }}
  }}
}}"""
    required = {camel(f.name): _value(f) for f in command.fields if f.required}
    variables = json.dumps({"input": required}, indent=2)
    return Example(_first_sentence(command.doc) or command.name, query, variables)


def _query(domain: Domain) -> Example:
    projection = next(iter(domain.projections.values()))
    plain = [f for f in projection.fields if isinstance(f.type, ScalarType | EnumType)]
    fields = " ".join(camel(f.name) for f in plain)
    query = f"""query {capitalized(projection.plural)} {{
  {projection.plural}(first: 10) {{
    totalCount
    edges {{ node {{ {fields} }} }}
  }}
}}"""
    return Example(_first_sentence(projection.doc) or projection.plural, query)


def _subscription() -> Example:
    query = """subscription Feed {
  events(after: "0") {
    __typename
    position
    ... on Event { type stream version recordedAt }
  }
}"""
    return Example("The whole history, then live: run a mutation in another tab and watch.", query)


def _first_sentence(doc: str) -> str:
    return doc.split("\n")[0]


def _value(field: Field) -> Any:
    """A value that the field takes, within its plain constraints."""
    match field.type:
        case ScalarType(python) if python in (int, float, Decimal):
            return _number(field, _VALUES[python])
        case ScalarType(python):
            return _VALUES[python]
        case EnumType(python):
            return next(iter(python)).name
        case RecordType(_, fields):
            return {camel(f.name): _value(f) for f in fields if f.required}
        case ListType():
            return []


def _number(field: Field, usual: Any) -> Any:
    for constraint in field.constraints:
        if isinstance(constraint, at.Ge) and Decimal(usual) < Decimal(str(constraint.ge)):
            return str(constraint.ge) if isinstance(usual, str) else constraint.ge
    return usual
