"""The arguments by which one reads what one wrote: of everything that reads a projection."""

from __future__ import annotations

from typing import Annotated

import strawberry

from commander.schema.types.field_types import Position

_AT_LEAST = strawberry.argument(
    description="Wait until the rows show the log up to here: a mutation's position, to read its effect."
)
_TIMEOUT_MS = strawberry.argument(description="How long to wait for atLeast, in milliseconds.")
AtLeast = Annotated[Position | None, _AT_LEAST]
TimeoutMs = Annotated[int, _TIMEOUT_MS]
WAITING = ("atLeast", "timeoutMs")
TIMEOUT = 5000
