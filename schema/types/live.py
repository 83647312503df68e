"""The subscriptions of a projection: one row, and a list of rows, with their changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry

from commander.domain import DefinitionError, Domain, ProjectionType, Rights
from commander.resolvers.cursors import is_kept, live_cursor_from, live_cursor_of
from commander.resolvers.live import follow_row, follow_rows
from commander.resolvers.read_your_writes import why_stopped
from commander.resolvers.visible_rows import masked, narrowed, row_filter, sees_every_row
from commander.schema.context import Context
from commander.schema.names import camel
from commander.schema.types.events import StandsStill
from commander.schema.types.field_types import TypeMap
from commander.schema.types.filters import Where
from commander.schema.types.late_projections import stopped_at
from commander.schema.types.read_your_writes import TIMEOUT, WAITING, AtLeast, TimeoutMs
from commander.schema.types.scalars import Position
from commander.streaming.live.changes import Change, Cursor, Kind, LiveItem

strawberry.enum(Kind, name="LiveChangeKind", description=Kind.__doc__)

_AFTER = strawberry.argument(
    description="Resume after this cursor: the cursor of the last item that you received."
)
After = Annotated[str | None, _AFTER]
_POSITION = "The position of the log up to which the item shows the rows."
_STANDS_STILL = "Why the rows stand still, and since when. Null if they move with the log."
_CURSOR = "To resume, subscribe with `after:` this cursor, on any server."


@dataclass(frozen=True)
class LiveField:
    """A subscription to rows. following.py executes each item as an operation of its own.

    declared: the field, as declared with Strawberry. items: yields the items with their cursors. It takes the
    arguments as coerced by graphql-core.
    """

    declared: Any
    items: Callable[[Context, Mapping[str, Any]], AsyncGenerator[tuple[Cursor, Any], None]]

    @property
    def graphql_name(self) -> str:
        return str(self.declared.graphql_name)


def live_names(name: str) -> list[str]:
    """The names of the types that the subscriptions of a projection add to the schema."""
    return [name + kind for kind in ("LiveRow", "LiveList", "LiveChange")]


def live_fields(
    name: str, type_: ProjectionType, row: Any, where: Where, types: TypeMap, domain: Domain
) -> list[LiveField]:
    """The fields of Subscription for a projection whose rows are of this type.

    Raises DefinitionError if the name of the key is also a name of the API.
    """
    for made in live_names(name):
        types.claim(made, type_.where)
    return [_row(name, type_, row, types), _list(name, type_, row, where, types, domain)]


def _row(name: str, type_: ProjectionType, row: Any, types: TypeMap) -> LiveField:
    shown = camel(type_.key)
    if shown in ("after", *WAITING):
        raise DefinitionError(
            type_.where, f"the name {shown} is taken by an argument of the API; rename the key"
        )
    item = _type(
        f"{name}LiveRow",
        "A row as it is at a position of the log.",
        {"position": Position, "cursor": str, "row": row | None, "stands_still": StandsStill | None},
        {
            "position": _POSITION,
            "cursor": _CURSOR,
            "row": "The row. Null if there is no such row.",
            "stands_still": _STANDS_STILL,
        },
    )

    async def declared(
        key: Any, after: After = None, at_least: AtLeast = None, timeout_ms: TimeoutMs = TIMEOUT
    ) -> Any:
        raise AssertionError("following.py serves this subscription")
        yield

    key_type = types.annotation(type_.key_field, is_input=True)
    argument = strawberry.argument(name=shown)
    declared.__annotations__ |= {"key": Annotated[key_type, argument], "return": AsyncIterator[item]}  # type: ignore[valid-type]

    async def items(context: Context, given: Mapping[str, Any]) -> AsyncGenerator[tuple[Cursor, Any], None]:
        rights = context.rights
        begin = _begin(context, type_, given)
        following = follow_row(context.services, type_, row_filter(rights, type_), given[shown], *begin)
        async with aclosing(following) as rows:
            async for one, found in rows:
                yield one.cursor, item(**_about(type_, one, context), row=masked(rights, type_, found))

    description = "A row: first as it is now, then after each change."
    return LiveField(
        strawberry.subscription(declared, name=camel(type_.query), description=description), items
    )


def _list(
    name: str, type_: ProjectionType, row: Any, where: Where, types: TypeMap, domain: Domain
) -> LiveField:
    shown = camel(type_.key)
    if shown in ("kind", "row"):
        raise DefinitionError(type_.where, f"the name {shown} is taken by a field of the API; rename the key")
    change = _type(
        f"{name}LiveChange",
        "A change of a row in a live list.",
        {"kind": Kind, "key": types.annotation(type_.key_field), "row": row | None},
        {"row": "The row as it is now. Null if it has left the list."},
        {"key": shown},
    )
    item = _type(
        f"{name}LiveList",
        "The changes of a live list up to a position of the log.",
        {
            "position": Position,
            "cursor": str,
            "snapshot": bool,
            "changes": list[change],  # type: ignore[valid-type]
            "stands_still": StandsStill | None,
        },
        {
            "position": _POSITION,
            "cursor": _CURSOR,
            "snapshot": "If true, the changes are all rows that match. Drop the rows that you had.",
            "changes": "In no order. Each row occurs at most once. After a resume, CHANGED can be a row that "
            "is new to you, and LEFT a row that you never had. Empty if the item only reports a position.",
            "stands_still": _STANDS_STILL,
        },
    )

    async def declared(
        where: Any = None, after: After = None, at_least: AtLeast = None, timeout_ms: TimeoutMs = TIMEOUT
    ) -> Any:
        raise AssertionError("following.py serves this subscription")
        yield

    declared.__annotations__ |= {"where": where.input | None, "return": AsyncIterator[item]}  # type: ignore[valid-type]

    def made(one: Change, rights: Rights | None) -> Any:
        return change(kind=one.kind, key=one.key, row=masked(rights, type_, one.row))

    def shown_item(found: LiveItem, context: Context) -> Any:
        return item(
            **_about(type_, found, context),
            snapshot=found.snapshot,
            changes=[made(one, context.rights) for one in found.changes],
        )

    async def items(context: Context, given: Mapping[str, Any]) -> AsyncGenerator[tuple[Cursor, Any], None]:
        asked = where.read(given.get("where"))
        wanted = narrowed(context.rights, type_, asked, domain.projections)
        following = follow_rows(context.services, type_, wanted, *_begin(context, type_, given))
        async with aclosing(following) as found:
            async for one in found:
                yield one.cursor, shown_item(one, context)

    description = "The rows that match: first all of them, then each change."
    return LiveField(
        strawberry.subscription(declared, name=camel(type_.plural), description=description), items
    )


def _about(type_: ProjectionType, found: LiveItem, context: Context) -> dict[str, Any]:
    """The fields that every item of live rows has."""
    position, standing = Position(found.cursor.position), found.standing
    still = None
    if standing is not None:
        reason, stopped = standing.reason, None
        if standing.stopped is not None and context.operates:
            stopped = stopped_at(standing.stopped)
        elif standing.stopped is not None:
            reason = why_stopped(type_.query, None)
        still = StandsStill(position=position, since=standing.since, reason=reason, stopped=stopped)
    cursor = live_cursor_of(found.cursor, context.epochs)
    return {"position": position, "cursor": cursor, "stands_still": still}


def _begin(
    context: Context, type_: ProjectionType, given: Mapping[str, Any]
) -> tuple[Cursor | None, int | None, int]:
    """after, at_least and timeout_ms. The cursor of a reconnecting client overrides the argument `after`.

    After a cursor that the log is no longer the same for, everything is sent: the client drops what it had.
    The same for a viewer who does not see every row: the rows that changed since could be those of others.
    """
    after = context.resume_after
    if after is None and given.get("after") is not None:
        after = live_cursor_from("after", given["after"])
    if after is not None and not (
        is_kept(context.services.epochs, after) and sees_every_row(context.rights, type_)
    ):
        after = None
    return after, given.get("atLeast"), given["timeoutMs"]


def _type(
    name: str,
    doc: str,
    annotations: Mapping[str, Any],
    descriptions: Mapping[str, str],
    names: Mapping[str, str] | None = None,
) -> Any:
    """An object type. names: the GraphQL names of those fields that have another name in Python."""
    namespace: dict[str, Any] = {"__annotations__": dict(annotations), "__module__": __name__}
    for field in annotations:
        namespace[field] = strawberry.field(
            name=(names or {}).get(field), description=descriptions.get(field)
        )
    return strawberry.type(type(name, (), namespace), name=name, description=doc)
