"""Schemas that are built once in a process, at their first use: building costs more than most tests."""

from __future__ import annotations

from functools import cache

from commander.domain import Domain
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.execution.operations import CommanderSchema


@cache
def schema_of(domain: Domain, *, subgraph: bool = False) -> CommanderSchema:
    """No test may change it."""
    return build_schema(domain, subgraph=subgraph)


def bank_schema() -> CommanderSchema:
    return schema_of(bank)
