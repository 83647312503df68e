"""Text that cannot be stored, in each argument of the API that takes text: an error names the argument."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)

from tests.e2e.bank import apply, opened
from tests.schema.built import bank_schema
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")

TEXTS = {"NUL": "a\0b", "a lone surrogate": "a\ud800b"}
SCHEMA: GraphQLSchema = bank_schema()._schema  # only graphql-core's own schema can be walked
PROBLEMS = "{ ... on CommandInvalid { problems { path message } } }"
ROOTS = ("Query", "Mutation", "Subscription")


class Place(NamedTuple):
    """An argument that takes text. path: of the text in an argument that is an object."""

    type_name: str
    field: str
    argument: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type_name}.{self.field}({'.'.join((self.argument, *self.path))})"


def places() -> Iterator[Place]:
    for type_ in SCHEMA.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not type_.name.startswith("__"):
            for name, field in type_.fields.items():
                for argument, declared in field.args.items():
                    for path in texts_in(declared.type, (), frozenset()):
                        yield Place(type_.name, name, argument, path)


def texts_in(type_: Any, path: tuple[str, ...], within: frozenset[str]) -> Iterator[tuple[str, ...]]:
    named = get_named_type(type_)
    if named.name in ("String", "ID"):
        yield path
    elif isinstance(named, GraphQLInputObjectType) and named.name not in within:
        for name, field in named.fields.items():
            yield from texts_in(field.type, (*path, name), within | {named.name})


def value(type_: Any, path: tuple[str, ...] | None, text: str) -> Any:
    """A value of this type that has the text at the path; without a path, a value that is well."""
    if is_non_null_type(type_):
        type_ = type_.of_type
    if is_list_type(type_):
        return [value(type_.of_type, path, text)]
    if isinstance(type_, GraphQLInputObjectType):
        return {
            name: value(field.type, path[1:] if path and name == path[0] else None, text)
            for name, field in type_.fields.items()
            if (path and name == path[0]) or is_required_input_field(field)
        }
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if type_.name in ("String", "ID"):
        return "x" if path is None else text
    return str(uuid4()) if type_.name == "UUID" else "1"


def asked(place: Place, text: str, parents: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The document and the variables that give this text to this argument."""
    type_ = SCHEMA.type_map[place.type_name]
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    field = type_.fields[place.field]
    given: dict[str, GraphQLArgument] = {
        name: argument
        for name, argument in field.args.items()
        if name == place.argument or is_required_argument(argument)
    }
    variables = {
        name: value(argument.type, place.path if name == place.argument else None, text)
        for name, argument in given.items()
    }
    shown = ", ".join(f"{name}: ${name}" for name in given)
    result = get_named_type(field.type)
    below = PROBLEMS if result.name == "CommandOutcome" else "{ __typename }"
    selection = f"{place.field}({shown}) {'' if is_leaf_type(result) else below}"
    declared = ", ".join(f"${name}: {argument.type}" for name, argument in given.items())
    if place.type_name in ROOTS:
        return f"{place.type_name.lower()} ({declared}) {{ {selection} }}", variables
    return f"query ({declared}) {{ {parents[place.type_name]} {{ {selection} }} }}", variables


@pytest.fixture(scope="module")
def parents(system: System) -> dict[str, str]:
    """A field that gives an object, for each type that has such arguments."""
    source, target, transfer = opened(system), opened(system), str(uuid4())
    apply(system, "deposit", {"accountId": source, "amount": "5"})
    input = {"transferId": transfer, "sourceId": source, "targetId": target, "amount": "1"}
    apply(system, "requestTransfer", input, wait="PROJECTED")
    return {
        "Account": f'account(accountId: "{source}")',
        "Transfer": f'transfer(transferId: "{transfer}")',
    }


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", list(places()), ids=str)
def test_text_that_nothing_can_store_is_refused_and_the_argument_is_named(
    system: System, parents: dict[str, str], place: Place, text: str
) -> None:
    document, variables = asked(place, text, parents)
    body = json.dumps({"query": document, "variables": variables}).encode()
    accept = "text/event-stream" if place.type_name == "Subscription" else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    with httpx.stream("POST", system.url, content=body, headers=headers, timeout=20, verify=NO_TLS) as answer:
        first = next(line for line in answer.iter_lines() if line.startswith(("{", "data:")))
    found = json.loads(first.removeprefix("data:"))
    if problems := problems_in(found):
        assert [problem["path"][-1] for problem in problems] == [place.path[-1]]
        return
    [error] = found["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST", error
    named = ".".join((place.argument, *place.path))
    assert error["extensions"]["argument"].split("[")[0] in (named, f"{place.field}.{named}"), error


def problems_in(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The problems of a mutation's input."""
    results: list[Any] = []
    for found in (answer.get("data") or {}).values():
        results += found if isinstance(found, list) else [found]
    return [problem for one in results if isinstance(one, dict) for problem in one.get("problems", ())]
