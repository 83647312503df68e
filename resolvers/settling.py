"""Waiting until all that a command has set going has ended: its reactions, theirs, and so on.

Calls of effects are not waited for. An effect makes no events and sends no commands, so nothing in the log or
in a row depends on it, and its attempts can take minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from commander.eventstore.records import RecordedEvent
from commander.resolvers.lineage import MAX_COMMANDS, MAX_DEPTH, Wanted
from commander.resolvers.lineage_watch import lineage_changes
from commander.resolvers.services import Services
from commander.resolvers.status import CommandState
from commander.streaming.commands.outcomes import Ended

_FIRST_POLL_SECONDS = 0.01
"""A reactor passes an event some milliseconds after it, and there is no signal for that."""


@dataclass(frozen=True)
class Settlement:
    """What followed from a command, after all of it has ended.

    commands: those that reactors sent, each before those that followed from it. events: of all of them, and
    of the command itself. position: of the last event. truncated: more followed, or the queue is too long to
    know.
    """

    commands: tuple[CommandState, ...]
    events: tuple[RecordedEvent, ...]
    position: int
    truncated: bool = False


async def settled(services: Services, ended: Ended, timeout_seconds: float) -> Settlement | None:
    """What followed from an applied command, once nothing more does. None after the timeout.

    While it waits, it holds no connection to Postgres.
    """
    if not _leads_on(services, ended.events):
        return Settlement((), ended.events, ended.position)
    wanted = Wanted(ended.command_id, ended.events[0].correlation_id, MAX_DEPTH, MAX_COMMANDS)
    changes = lineage_changes(services, wanted, root_has_ended=True, first_poll_seconds=_FIRST_POLL_SECONDS)
    try:
        async with asyncio.timeout(timeout_seconds), aclosing(changes):
            async for tree in changes:
                if tree.ended:
                    commands = tree.root.walk()
                    events = tuple(event.event for command in commands for event in command.events)
                    states = tuple(command.state for command in commands[1:])
                    last = max(ended.position, *(event.position for event in events))
                    return Settlement(states, events, last, tree.truncated)
    except TimeoutError:
        pass
    return None


def _leads_on(services: Services, events: Sequence[RecordedEvent]) -> bool:
    """Whether a reactor takes one of these events."""
    domain = services.domain
    types = {type_.cls for event in events if (type_ := domain.event_type(event.type)) is not None}
    return any(reactor.takes(cls) for reactor in domain.reactors.values() for cls in types)
