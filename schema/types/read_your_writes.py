"""Which position the rows of an answer show; the arguments `atLeast` and `timeoutMs` that wait for one."""

from __future__ import annotations

from typing import Annotated

import strawberry
from graphql import GraphQLResolveInfo
from graphql.pyutils import Path

from commander.domain import ProjectionType
from commander.resolvers.read_your_writes import Shown, reached, shown, why_behind
from commander.schema.context import Context
from commander.schema.errors import stopped_extension
from commander.schema.names import camel
from commander.schema.types.direct_field import Given
from commander.schema.types.scalars import Position
from commander.streaming.projections.progress import Reached

_AT_LEAST = strawberry.argument(
    description="Wait until the rows show this position: that of a mutation, to read your own write."
)
_TIMEOUT_MS = strawberry.argument(description="The longest wait for `atLeast`, in milliseconds.")
AtLeast = Annotated[Position | None, _AT_LEAST]
TimeoutMs = Annotated[int, _TIMEOUT_MS]
WAITING = ("atLeast", "timeoutMs")
TIMEOUT = 5000


async def reach(info: GraphQLResolveInfo[Context], type_: ProjectionType, given: Given) -> None:
    """Waits until the rows of a projection show `atLeast`. Reports the position that they show.

    What links lead to, below the same root field, then waits for it as well.
    """
    context, at_least = info.context, given.get("atLeast")
    if at_least is not None:
        context.at_least[_root(info.path)] = (at_least, given["timeoutMs"])
    table = context.services.tables[type_.name]
    _report(context, type_, await reached(context.services, table, at_least, given.get("timeoutMs", 0)))


async def reach_by_link(info: GraphQLResolveInfo[Context], type_: ProjectionType) -> None:
    """As `reach`, for rows that a link leads to. `atLeast` is that of the root field above them."""
    context = info.context
    at_least, timeout_ms = context.at_least.get(_root(info.path)) or context.at_least.get(None) or (None, 0)
    most = int(context.services.limits.max_wait_seconds * 1000)
    wanted = Shown(type_.name, at_least, min(timeout_ms, most))
    _report(context, type_, await context.batching.reached.load(wanted))


def links_show(context: Context, path: Path | None, position: int) -> None:
    """What links lead to shows this position. path: of a field of the operation; None: for all of them."""
    key = None if path is None else _root(path)
    known, _ = context.at_least.get(key, (0, 0))
    context.at_least[key] = (max(known, position), TIMEOUT)


def _root(path: Path) -> str | int:
    while path.prev is not None:
        path = path.prev
    return path.key


def _report(context: Context, type_: ProjectionType, now: Reached) -> None:
    """Adds the position to the extensions of the response."""
    reported = context.extensions.setdefault("projections", {})
    name = camel(type_.query)
    if name not in reported or int(reported[name]["position"]) > now.position:
        reported[name] = {"position": str(now.position), "lag": now.lag}
        if (error := why_behind(context.services, type_.name)) is not None:
            reported[name]["error"] = error
        stopped = context.services.progress.stopped(type_.name) if context.operates else None
        if stopped is not None:
            reported[name]["stopped"] = stopped_extension(shown(context.services, stopped))
