"""Failed calls of effects: list, retry, drop. Each action is recorded with its actor."""

from __future__ import annotations

from commander.domain.errors import InvalidRequest
from commander.eventstore.database import Database
from commander.eventstore.reactions.effects import (
    EffectAction,
    EffectFailure,
    act_on_effect,
    effect_actions,
    list_effect_failures,
)
from commander.resolvers.events import must_be_storable
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService

MAX_LISTED = 1000


async def effect_failures(database: Database, first: int) -> list[EffectFailure]:
    """The oldest failed calls that nobody has dropped and that have not succeeded. Raises InvalidRequest."""
    if not 0 <= first <= MAX_LISTED:
        raise InvalidRequest("first", f"must be from 0 to {MAX_LISTED}, got {first}")
    return await list_effect_failures(database, first)


async def actions_of(database: Database, failure: EffectFailure) -> list[EffectAction]:
    """The actions on a failed call, oldest first."""
    return await effect_actions(database, failure.effect, failure.position)


async def retry(context: RequestContext[DatabaseService], effect: str, position: int) -> EffectFailure:
    """Calls the effect again, with the same key. Returns the failed call. Raises NotFound without one."""
    must_be_storable("effect", effect)
    return await act_on_effect(context.services.database, effect, position, "RETRIED", context.actor)


async def drop(context: RequestContext[DatabaseService], effect: str, position: int) -> EffectFailure:
    """Removes a failed call from the list. Returns it. Raises NotFound if it has not failed."""
    must_be_storable("effect", effect)
    return await act_on_effect(context.services.database, effect, position, "DROPPED", context.actor)
