"""The arguments `atLeast` and `timeoutMs` of each field that reads a projection."""

from __future__ import annotations

from typing import Annotated

import strawberry

from commander.schema.types.scalars import Position

_AT_LEAST = strawberry.argument(
    description="Wait until the rows show this position: that of a mutation, to read your own write."
)
_TIMEOUT_MS = strawberry.argument(description="The longest wait for `atLeast`, in milliseconds.")
AtLeast = Annotated[Position | None, _AT_LEAST]
TimeoutMs = Annotated[int, _TIMEOUT_MS]
WAITING = ("atLeast", "timeoutMs")
TIMEOUT = 5000
