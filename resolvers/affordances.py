"""Which commands a viewer may send now to the aggregates of rows. Their states are read together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from commander.domain import CommanderError, Rights
from commander.domain.affordances import Availability
from commander.domain.time_travel import stream_of_row
from commander.resolvers.current_states import current_states
from commander.resolvers.services import Services
from commander.streaming.commands.deciding import without_nul
from commander.streaming.commands.stream_states import StreamState

_AT_ONCE = 200
"""So many states are read, and are in memory, at once."""


class UnreadableState(CommanderError):
    """This code cannot fold the events of a stream, so it does not know which commands are available."""

    def __init__(self, stream: str, reason: str) -> None:
        super().__init__(f"the state of {stream} cannot be read: {reason}")


@dataclass(frozen=True)
class Asked:
    """The commands to one aggregate. aggregate: its stored name. key: as in the row."""

    aggregate: str
    key: Any


Answer = list[Availability] | CommanderError


async def available_commands(
    services: Services, rights: Rights | None, asked: Sequence[Asked]
) -> dict[Asked, Answer]:
    """The commands that clients send to each, in the order of their definition; or why they are not known.

    rights: None if authentication is off. The states are the newest ones. They are read only where a rule or
    a guard needs them. Raises Unavailable.
    """
    found: dict[Asked, Answer] = {}
    for begin in range(0, len(asked), _AT_ONCE):
        found |= await _some(services, rights, asked[begin : begin + _AT_ONCE])
        await asyncio.sleep(0)  # each row costs the time of its rules
    return found


async def _some(services: Services, rights: Rights | None, asked: Sequence[Asked]) -> dict[Asked, Answer]:
    found: dict[Asked, Answer] = {}
    waiting: dict[Asked, str] = {}
    for one in asked:
        affordances = services.affordances[one.aggregate]
        try:
            known = affordances.known(rights, one.key)
        except CommanderError as error:
            found[one] = error
            continue
        answers = [availability for availability in known if availability is not None]
        if len(answers) == len(known):
            found[one] = answers
        else:
            waiting[one] = stream_of_row(affordances.aggregate, one.key)
    if waiting:
        states = await current_states(services, waiting.values())
        for one, stream in waiting.items():
            found[one] = _in_state(services, rights, one, stream, states[stream])
    return found


def _in_state(
    services: Services, rights: Rights | None, one: Asked, stream: str, current: StreamState
) -> Answer:
    if current.unreadable is not None:
        return UnreadableState(stream, current.unreadable)
    try:
        made = services.affordances[one.aggregate].in_state(rights, one.key, current.state)
    except CommanderError as error:
        return error
    return [_as_stored(availability) for availability in made]


def _as_stored(made: Availability) -> Availability:
    """With code and reason as the rejection of a command has them."""
    if made.code is None or made.reason is None:
        return made
    return replace(made, code=without_nul(made.code), reason=without_nul(made.reason))
