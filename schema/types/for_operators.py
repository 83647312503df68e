"""Which root fields are for operators alone: they refuse everyone else."""

from __future__ import annotations

from typing import Any

_MARK = "commander.for_operators"
FOR_OPERATORS = {_MARK: True}
"""The metadata of such a field."""


def is_for_operators(field: Any) -> bool:
    """Whether a field that Strawberry declares is marked."""
    return bool(field.metadata.get(_MARK))
