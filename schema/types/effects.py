"""The fields about failed calls of effects: list, retry, drop."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry.types import Info

from commander.eventstore.reactions.effects import EffectFailure as Failure
from commander.resolvers import effects as resolving
from commander.schema.context import Context
from commander.schema.types.for_operators import FOR_OPERATORS
from commander.schema.types.records import DeadLetterDeed
from commander.schema.types.scalars import Position


@strawberry.enum(description="What happens to a failed call now.")
class EffectFailureState(Enum):
    FAILED = "FAILED"
    """It waits for a retry or a drop."""
    RETRYING = "RETRYING"
    """A retry was requested and has not ended."""
    DROPPED = "DROPPED"
    """It was removed from the list."""


@strawberry.type(description="A retry or drop of a failed call: who did it, and when.")
class EffectAction:
    deed: DeadLetterDeed
    actor: str | None
    at: datetime


async def _actions(root: EffectFailure, info: Info[Context, None]) -> list[EffectAction]:
    found = await resolving.actions_of(info.context.services.database, root.failure)
    return [EffectAction(deed=DeadLetterDeed(one.action), actor=one.actor, at=one.at) for one in found]


@strawberry.type(description="A call of an effect that failed in every attempt.")
class EffectFailure:
    effect: str
    position: Position = strawberry.field(
        description="The position of the event that the effect was called for."
    )
    state: EffectFailureState
    attempts: int
    error: str = strawberry.field(description="The exception of the last attempt.")
    failed_at: datetime
    failure: strawberry.Private[Failure]
    actions: list[EffectAction] = strawberry.field(
        resolver=_actions, description="The actions on this call, oldest first."
    )


def _failure(one: Failure) -> EffectFailure:
    return EffectFailure(
        effect=one.effect,
        position=Position(one.position),
        state=EffectFailureState(one.state),
        attempts=one.attempts,
        error=one.error,
        failed_at=one.failed_at,
        failure=one,
    )


def effect_fields() -> tuple[list[Any], list[Any]]:
    """The fields (of Query, of Mutation) about failed calls."""

    async def effect_failures(info: Info[Context, None], first: int = 100) -> list[EffectFailure]:
        info.context.must_operate()
        found = await resolving.effect_failures(info.context.services.database, first)
        return [_failure(one) for one in found]

    async def retry_effect(info: Info[Context, None], effect: str, position: Position) -> EffectFailure:
        info.context.must_operate()
        return _failure(await resolving.retry(info.context, effect, position))

    async def drop_effect(info: Info[Context, None], effect: str, position: Position) -> EffectFailure:
        info.context.must_operate()
        return _failure(await resolving.drop(info.context, effect, position))

    return (
        [
            strawberry.field(
                effect_failures,
                name="effectFailures",
                metadata=FOR_OPERATORS,
                description="Calls that failed in every attempt and that nobody has dropped, oldest first.",
            )
        ],
        [
            strawberry.mutation(
                retry_effect,
                name="retryEffect",
                metadata=FOR_OPERATORS,
                description="Call the effect again for a failed call, with the same key.",
            ),
            strawberry.mutation(
                drop_effect,
                name="dropEffect",
                metadata=FOR_OPERATORS,
                description="Remove a failed call from the list. The effect is not called again for it.",
            ),
        ],
    )
