"""The commands that reactors sent because of events: how they ended, or where they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from commander.eventstore.log.lineage import reactions_to
from commander.eventstore.records import SubmittedCommand
from commander.resolvers.services import Services
from commander.resolvers.status import CommandState, undecided
from commander.streaming.commands.pending_by_correlation import pending_by_correlation

MAX_REACTIONS = 500
"""The most that one event shows."""


def by_cause(commands: Iterable[SubmittedCommand]) -> dict[int, list[SubmittedCommand]]:
    """The reactions among these commands, by the position of their event."""
    reactions: defaultdict[int, list[SubmittedCommand]] = defaultdict(list)
    for command in commands:
        if command.causation_position is not None:
            reactions[command.causation_position].append(command)
    return dict(reactions)


class Reactions:
    """The reactions that one answer shows, asked for by many events at once and level by level.

    The queue is looked through once for each correlation, and before Postgres is asked of any of its events:
    what has been decided since is found there. What was sent since then is not shown, as if the whole answer
    had been asked for when it began.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looked_for: set[UUID] = set()
        self._under_way: dict[int, list[SubmittedCommand]] = {}

    async def to(self, events: Sequence[tuple[int, UUID]]) -> list[list[CommandState]]:
        """For the position and the correlation id of each event: first those that ended, in that order."""
        services = self._services
        await self._look({correlation_id for _, correlation_id in events} - self._looked_for)
        ended = await reactions_to(services.database, [position for position, _ in events], MAX_REACTIONS)
        shown = []
        for position, _ in events:
            ids = {outcome.command_id for outcome in ended[position]}
            sent = [one for one in self._under_way.get(position, ()) if one.command_id not in ids]
            states = [CommandState(None, outcome) for outcome in ended[position]]
            shown.append([*states, *(undecided(services, one) for one in sent)][:MAX_REACTIONS])
        return shown

    async def _look(self, correlation_ids: set[UUID]) -> None:
        if not correlation_ids:
            return
        found = await pending_by_correlation(self._services.nats, self._services.database, correlation_ids)
        self._under_way |= by_cause(found.commands)
        self._looked_for |= correlation_ids
