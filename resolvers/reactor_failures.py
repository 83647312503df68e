"""Parked keys of reactors: list, retry, skip. Each action is recorded with its actor."""

from __future__ import annotations

from commander.eventstore.database import Database
from commander.eventstore.reactions.parked import (
    ParkedAction,
    ParkedKey,
    act_on_parked,
    list_parked,
    parked_actions,
)
from commander.resolvers.cursors import number_cursor_of, number_from
from commander.resolvers.events import Page, must_be_storable
from commander.resolvers.numbered import number_walk, numbered_page
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService, Services

_LIST = "reactorFailures"


async def reactor_failures(
    services: Services,
    reactor: str | None,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Page[ParkedKey]:
    """The parked keys between two cursors, in the order in which they were parked. reactor: only its keys.

    Raises InvalidRequest.
    """
    walk = number_walk(services, first, _number("after", after), last, _number("before", before))
    if reactor is not None:
        must_be_storable("reactor", reactor)

    async def read(low: int, high: int | None, limit: int, backwards: bool) -> list[ParkedKey]:
        return await list_parked(services.database, reactor, low, limit, before=high, newest_first=backwards)

    return await numbered_page(read, walk)


def _number(argument: str, cursor: str | None) -> int | None:
    return None if cursor is None else number_from(argument, cursor, _LIST)


def failure_cursor_of(parked: ParkedKey) -> str:
    """The cursor of a parked key in the list."""
    return number_cursor_of(_LIST, parked.number)


async def actions_of(database: Database, parked: ParkedKey) -> list[ParkedAction]:
    """The actions on this key of the reactor, oldest first, earlier failures included."""
    return await parked_actions(database, parked.reactor, parked.key)


async def retry(context: RequestContext[DatabaseService], reactor: str, key: str | None) -> list[ParkedKey]:
    """Handles the failing event of a key again, then its later ones. key: None for all keys of the reactor.

    Returns the keys as they are now. Raises NotFound if no such key is parked.
    """
    _must_be_storable(reactor, key)
    return await act_on_parked(context.services.database, reactor, key, "RETRIED", context.actor)


async def skip(context: RequestContext[DatabaseService], reactor: str, key: str) -> ParkedKey:
    """Passes over the failing event of a key for ever, and handles its later events.

    Returns the key, with the position of the skipped event. Raises NotFound if the key is not parked.
    """
    _must_be_storable(reactor, key)
    [parked] = await act_on_parked(context.services.database, reactor, key, "SKIPPED", context.actor)
    return parked


def _must_be_storable(reactor: str, key: str | None) -> None:
    must_be_storable("reactor", reactor)
    if key is not None:
        must_be_storable("key", key)
