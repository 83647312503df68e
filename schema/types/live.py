"""The subscriptions of a projection: a row, and a list, as they are and then as they change."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry

from commander.domain import DefinitionError, ProjectionType
from commander.resolvers.cursors import live_cursor_from, live_cursor_of
from commander.resolvers.live import follow_row, follow_rows
from commander.schema.context import Context
from commander.schema.names import camel
from commander.schema.types.field_types import Position, TypeMap
from commander.schema.types.filters import Where
from commander.schema.types.read_your_writes import TIMEOUT, WAITING, AtLeast, TimeoutMs
from commander.streaming.live.changes import Change, Cursor, Kind, LiveItem

strawberry.enum(
    Kind,
    name="LiveChangeKind",
    description="What became of a row in a live list: it matches now, matches as before, or no more.",
)

_AFTER = strawberry.argument(description="Go on behind this cursor, that of the last item one had.")
After = Annotated[str | None, _AFTER]
_POSITION = "The position of the log that this shows."
_CURSOR = "Where to go on: subscribe with `after:` this, on any server."


@dataclass(frozen=True)
class LiveField:
    """declared: the field as Strawberry has it. items: what comes, each with its cursor, given the arguments
    as graphql-core coerced them. Its items are executed by themselves, see following.py.
    """

    declared: Any
    items: Callable[[Context, Mapping[str, Any]], AsyncGenerator[tuple[Cursor, Any], None]]

    @property
    def graphql_name(self) -> str:
        return str(self.declared.graphql_name)


def live_names(name: str) -> list[str]:
    """The types that the subscriptions of a projection bring into the schema."""
    return [name + kind for kind in ("LiveRow", "LiveList", "LiveChange")]


def live_fields(name: str, type_: ProjectionType, row: Any, where: Where, types: TypeMap) -> list[LiveField]:
    """The fields of Subscription for a projection whose rows are of this type.

    Raises DefinitionError where the key has the name of something of the API's.
    """
    for made in live_names(name):
        types.claim(made, type_.where)
    return [_row(name, type_, row, types), _list(name, type_, row, where, types)]


def _row(name: str, type_: ProjectionType, row: Any, types: TypeMap) -> LiveField:
    shown = camel(type_.key)
    if shown in ("after", *WAITING):
        raise DefinitionError(type_.where, f"the name {shown} is taken by an argument of the API's")
    item = _type(
        f"{name}LiveRow",
        "A row at a position of the log.",
        {"position": Position, "cursor": str, "row": row | None},
        {"position": _POSITION, "cursor": _CURSOR, "row": "As it is then; null where there is none."},
    )

    async def declared(
        key: Any, after: After = None, at_least: AtLeast = None, timeout_ms: TimeoutMs = TIMEOUT
    ) -> Any:
        raise AssertionError("it is followed, see following.py, and not executed")
        yield

    key_type = types.annotation(type_.key_field, is_input=True)
    argument = strawberry.argument(name=shown)
    declared.__annotations__ |= {"key": Annotated[key_type, argument], "return": AsyncIterator[item]}  # type: ignore[valid-type]

    async def items(context: Context, given: Mapping[str, Any]) -> AsyncGenerator[tuple[Cursor, Any], None]:
        following = follow_row(context.services, type_, given[shown], *_begin(context, given))
        async with aclosing(following) as rows:
            async for cursor, found in rows:
                yield (
                    cursor,
                    item(position=Position(cursor.position), cursor=live_cursor_of(cursor), row=found),
                )

    description = "A row: as it is, then whenever it has changed."
    return LiveField(
        strawberry.subscription(declared, name=camel(type_.name), description=description), items
    )


def _list(name: str, type_: ProjectionType, row: Any, where: Where, types: TypeMap) -> LiveField:
    shown = camel(type_.key)
    if shown in ("kind", "row"):
        raise DefinitionError(type_.where, f"the name {shown} is taken by a field of the API's")
    change = _type(
        f"{name}LiveChange",
        "What became of a row in a live list.",
        {"kind": Kind, "key": types.annotation(type_.key_field), "row": row | None},
        {"row": "As it is now; null if it has left the list."},
        {"key": shown},
    )
    item = _type(
        f"{name}LiveList",
        "What is new in a live list, up to a position of the log.",
        {"position": Position, "cursor": str, "snapshot": bool, "changes": list[change]},  # type: ignore[valid-type]
        {
            "position": _POSITION,
            "cursor": _CURSOR,
            "snapshot": "Forget what you had: the changes are all rows that there are.",
            "changes": "In no order, each row at most once. Behind `after`, CHANGED may be a row that is new "
            "to you, and LEFT one that you never had. Empty to tell how far it is.",
        },
    )

    async def declared(
        where: Any = None, after: After = None, at_least: AtLeast = None, timeout_ms: TimeoutMs = TIMEOUT
    ) -> Any:
        raise AssertionError("it is followed, see following.py, and not executed")
        yield

    declared.__annotations__ |= {"where": where.input | None, "return": AsyncIterator[item]}  # type: ignore[valid-type]

    def made(one: Change) -> Any:
        return change(kind=one.kind, key=one.key, row=one.row)

    def shown_item(found: LiveItem) -> Any:
        return item(
            position=Position(found.cursor.position),
            cursor=live_cursor_of(found.cursor),
            snapshot=found.snapshot,
            changes=[made(one) for one in found.changes],
        )

    async def items(context: Context, given: Mapping[str, Any]) -> AsyncGenerator[tuple[Cursor, Any], None]:
        wanted = where.read(given.get("where"))
        following = follow_rows(context.services, type_, wanted, *_begin(context, given))
        async with aclosing(following) as found:
            async for one in found:
                yield one.cursor, shown_item(one)

    description = "The rows that match: all there are, then those that begin to, change, or cease to."
    return LiveField(
        strawberry.subscription(declared, name=camel(type_.plural), description=description), items
    )


def _begin(context: Context, given: Mapping[str, Any]) -> tuple[Cursor | None, int | None, int]:
    """after, at_least and timeout_ms; what a client that comes back has seen goes before `after`."""
    after = context.resume_after
    if after is None and given.get("after") is not None:
        after = live_cursor_from("after", given["after"])
    return after, given.get("atLeast"), given["timeoutMs"]


def _type(
    name: str,
    doc: str,
    annotations: Mapping[str, Any],
    descriptions: Mapping[str, str],
    names: Mapping[str, str] | None = None,
) -> Any:
    """An object type; names: those in GraphQL that are others than in Python."""
    namespace: dict[str, Any] = {"__annotations__": dict(annotations), "__module__": __name__}
    for field in annotations:
        namespace[field] = strawberry.field(
            name=(names or {}).get(field), description=descriptions.get(field)
        )
    return strawberry.type(type(name, (), namespace), name=name, description=doc)
