"""The fields about parked keys of reactors: list, retry, skip."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry.types import Info

from commander.eventstore.reactions.parked import ParkedKey
from commander.resolvers import reactor_failures as resolving
from commander.schema.context import Context
from commander.schema.types.for_operators import FOR_OPERATORS
from commander.schema.types.paging import PageInfo, page_info
from commander.schema.types.scalars import Position


@strawberry.enum(description="What happens to a parked key now.")
class ReactorFailureState(Enum):
    PARKED = "PARKED"
    """It waits for a retry or a skip."""
    RETRYING = "RETRYING"
    """Its events are being handled again."""


@strawberry.enum(description="An action on the failing event of a parked key.")
class ReactorDeed(Enum):
    RETRIED = "RETRIED"
    """The event was handled again."""
    SKIPPED = "SKIPPED"
    """The event was passed over."""


@strawberry.type(description="A retry or skip of a failing event: who did it, and when.")
class ReactorAction:
    position: Position
    deed: ReactorDeed
    actor: str | None
    at: datetime


async def _actions(root: ReactorFailure, info: Info[Context, None]) -> list[ReactorAction]:
    found = await resolving.actions_of(info.context.services.database, root.parked)
    return [
        ReactorAction(
            position=Position(one.position), deed=ReactorDeed(one.action), actor=one.actor, at=one.at
        )
        for one in found
    ]


@strawberry.type(
    description="A parked key of a reactor: an event of it failed, and its later events wait in order."
)
class ReactorFailure:
    reactor: str
    key: str = strawberry.field(description="The key as text. For a reactor without a key, the stream.")
    state: ReactorFailureState
    position: Position = strawberry.field(description="The position of the event that failed.")
    event_type: str
    error: str
    traceback: str
    attempts: int = strawberry.field(description="How often this event has failed.")
    parked_at: datetime = strawberry.field(description="When the key was parked.")
    failed_at: datetime = strawberry.field(description="When the event failed last.")
    parked: strawberry.Private[ParkedKey]
    actions: list[ReactorAction] = strawberry.field(
        resolver=_actions, description="The actions on this key, oldest first."
    )


@strawberry.type
class ReactorFailureEdge:
    cursor: str
    node: ReactorFailure


@strawberry.type
class ReactorFailureConnection:
    edges: list[ReactorFailureEdge]
    page_info: PageInfo


def _node(one: ParkedKey) -> ReactorFailure:
    return ReactorFailure(
        reactor=one.reactor,
        key=one.key,
        state=ReactorFailureState(one.state),
        position=Position(one.position),
        event_type=one.event_type,
        error=one.error,
        traceback=one.traceback,
        attempts=one.attempts,
        parked_at=one.parked_at,
        failed_at=one.failed_at,
        parked=one,
    )


def reactor_failure_fields() -> tuple[list[Any], list[Any]]:
    """The fields (of Query, of Mutation) about parked keys."""

    async def reactor_failures(
        info: Info[Context, None],
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        reactor: str | None = None,
    ) -> ReactorFailureConnection:
        info.context.must_operate()
        page = await resolving.reactor_failures(
            info.context.services, reactor, first=first, after=after, last=last, before=before
        )
        edges = [
            ReactorFailureEdge(cursor=resolving.failure_cursor_of(one), node=_node(one)) for one in page.items
        ]
        return ReactorFailureConnection(
            edges=edges, page_info=page_info(page, [edge.cursor for edge in edges])
        )

    async def retry_reaction(info: Info[Context, None], reactor: str, key: str) -> ReactorFailure:
        info.context.must_operate()
        [parked] = await resolving.retry(info.context, reactor, key)
        return _node(parked)

    async def skip_reaction(info: Info[Context, None], reactor: str, key: str) -> ReactorFailure:
        info.context.must_operate()
        return _node(await resolving.skip(info.context, reactor, key))

    return (
        [
            strawberry.field(
                reactor_failures,
                name="reactorFailures",
                metadata=FOR_OPERATORS,
                description="Parked keys of reactors, in the order in which they were parked.",
            )
        ],
        [
            strawberry.mutation(
                retry_reaction,
                name="retryReaction",
                metadata=FOR_OPERATORS,
                description="Handle the failing event of a parked key again, then its later events.",
            ),
            strawberry.mutation(
                skip_reaction,
                name="skipReaction",
                metadata=FOR_OPERATORS,
                description="Pass over the failing event of a parked key, and handle its later events.",
            ),
        ],
    )
