"""The schema of the bank, built once in a process: most of what importing these modules costs."""

from __future__ import annotations

from functools import cache

from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.execution.operations import CommanderSchema


@cache
def bank_schema() -> CommanderSchema:
    return build_schema(bank)
