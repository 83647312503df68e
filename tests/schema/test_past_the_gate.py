"""What keeps a new way of executing operations from bypassing the gate."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

import graphql
import pytest
import strawberry

from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.execution.following import Followed, FollowedRows, Following
from commander.schema.execution.mutation_plans import Mutating
from commander.schema.execution.operations import CommanderSchema
from commander.schema.execution.rendering import Renderer
from commander.schema.execution.resolved import resolved
from tests.test_architecture import ROOT, TOP, modules

EXECUTE = {
    name
    for name in vars(graphql)
    if name.startswith(("execute", "experimental_execute", "subscribe", "graphql", "create_source_event"))
}
"""The functions of graphql-core that execute a document."""


@cache
def sources() -> dict[str, ast.Module]:
    """Each of our modules, by its path."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for _, path in modules(*TOP, "bench")
    }


def called(tree: ast.AST) -> Iterator[str]:
    """The names of what a module calls; of methods too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def test_only_these_modules_have_graphql_core_execute_a_document() -> None:
    assert {"execute", "execute_sync", "subscribe", "graphql", "graphql_sync"} <= EXECUTE
    found: dict[str, set[str]] = {}
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                whole = [alias.name for alias in node.names if alias.name.partition(".")[0] == "graphql"]
                assert not whole, f"{path}:{node.lineno} imports {whole}; import names, which this test sees"
            elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("graphql."):
                found.setdefault(path, set()).update({alias.name for alias in node.names} & EXECUTE)
    assert {path: names for path, names in found.items() if names} == {
        "schema/execution/following.py": {"execute"},
        "schema/execution/operations.py": {"execute"},
        "schema/execution/rendering.py": {"execute"},
        "schema/execution/resolved.py": {"create_source_event_stream", "execute_subscription_event"},
    }


@pytest.mark.parametrize("name", ["Admitted", "Documents"])
def test_only_the_gate_admits_and_only_it_reads_documents(name: str) -> None:
    assert [path for path, tree in sources().items() if name in called(tree)] == ["schema/execution/gate.py"]


def test_contexts_are_made_in_one_place() -> None:
    rooms = ("resolvers/", "schema/", "commander/")  # in streaming/ OpenTelemetry has a Context
    places = {path for path, tree in sources().items() if {"Context", "RequestContext"} & set(called(tree))}
    assert {path for path in places if path.startswith(rooms)} == {"resolvers/request_context.py"}


@pytest.mark.parametrize(
    "executing",
    [
        CommanderSchema.executed,
        CommanderSchema.subscribed,
        CommanderSchema.followed,
        Following.followed,
        Mutating.executed,
        Renderer.__init__,
        resolved,
        Followed.__init__,
        FollowedRows.__init__,
    ],
    ids=lambda function: function.__qualname__,
)
def test_what_executes_takes_what_was_admitted(executing: Any) -> None:
    annotations = [parameter.annotation for parameter in inspect.signature(executing).parameters.values()]
    assert "Admitted" in annotations


def test_no_way_of_strawberry_goes_past_the_gate() -> None:
    runs = {
        name
        for name, function in inspect.getmembers(strawberry.Schema, inspect.isfunction)
        if not name.startswith("_") and "query" in inspect.signature(function).parameters
    }
    assert runs == {"execute", "execute_sync", "stream", "subscribe"}
    assert runs <= vars(CommanderSchema).keys()
    with pytest.raises(NotImplementedError, match="pass the gate"):
        build_schema(bank).execute_sync("{ __typename }")
