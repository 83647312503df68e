"""The commands that reactors sent because of events, with their status or outcome."""

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
"""The most reactions that are shown for one event."""


def by_cause(commands: Iterable[SubmittedCommand]) -> dict[int, list[SubmittedCommand]]:
    """Those of these commands that are reactions, by the position of their event."""
    reactions: defaultdict[int, list[SubmittedCommand]] = defaultdict(list)
    for command in commands:
        if command.causation_position is not None:
            reactions[command.causation_position].append(command)
    return dict(reactions)


class Reactions:
    """The reactions in one answer, loaded for many events at once, level by level.

    The queue is searched once per correlation, before Postgres is read for any of its events. A command that
    is decided in between is found in Postgres. A command that is sent after the search is not shown.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._searched: set[UUID] = set()
        self._pending: dict[int, list[SubmittedCommand]] = {}

    async def to(self, events: Sequence[tuple[int, UUID]], limit: int) -> list[list[CommandState]]:
        """The reactions to each event, given by position and correlation id. Ended ones come first.

        limit: the most ended ones together. Beyond it, those to the last events are missing.
        """
        services = self._services
        await self._search({correlation_id for _, correlation_id in events} - self._searched)
        positions = [position for position, _ in events]
        ended = await reactions_to(services.database, positions, MAX_REACTIONS, limit)
        shown = []
        for position, _ in events:
            ids = {outcome.command_id for outcome in ended[position]}
            sent = [one for one in self._pending.get(position, ()) if one.command_id not in ids]
            states = [CommandState(None, outcome) for outcome in ended[position]]
            shown.append([*states, *(undecided(services, one) for one in sent)][:MAX_REACTIONS])
        return shown

    async def _search(self, correlation_ids: set[UUID]) -> None:
        if not correlation_ids:
            return
        found = await pending_by_correlation(self._services.nats, self._services.database, correlation_ids)
        self._pending |= by_cause(found.commands)
        self._searched |= correlation_ids
