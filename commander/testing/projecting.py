"""Test a projection: events, then rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commander.domain import Domain


def rows(domain: Domain, projection: str, events: Iterable[Any]) -> dict[Any, Any]:
    """The rows of a projection after these events, by key. Raises what the projection raises."""
    type_ = domain.projections[projection]
    table: dict[Any, Any] = {}
    for event in events:
        handler = type_.handlers.get(type(event))
        if handler is None:
            continue
        if handler.column is None:
            keys = handler.keys(event)
        else:
            column, field = handler.column
            value = getattr(event, field)
            keys = [k for k, row in table.items() if value is not None and getattr(row, column) == value]
        for key in keys:
            row = type_.apply(table.get(key), event, key)
            if row is None:
                table.pop(key, None)
            else:
                table[key] = row
    return table
