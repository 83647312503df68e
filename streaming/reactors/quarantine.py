"""The leases of a reactor, marked, and the events that may have ended the process that owned them before.

See eventstore/handling.py. A run that finds partitions marked by another one handles the events that may have
been in progress event by event, and leaves out the one that is the cause.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from commander.domain import DomainCode
from commander.eventstore.database import Connection, Database
from commander.eventstore.handling import MOST_DEATHS, Left, begin_handling, end_handling, mark_handling
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.handling import HandlingRun
from commander.streaming.leases import Leases, reactor_leases

logger = logging.getLogger("commander.reactors")


class ReactorLeases(Leases):
    """The leases of a reactor. They mark the partitions, and remove the marks of those that they release."""

    def __init__(
        self, database: Database, partitions: int, reactor: str, code: DomainCode, run: HandlingRun
    ) -> None:
        super().__init__(database, partitions, reactor_leases(reactor), code)
        self._reactor = reactor
        self._run = run

    async def begin(self, taken: Collection[int]) -> dict[int, Left]:
        """Marks partitions that were taken. Returns those that another run has left marked."""
        handlers = {f"reactor {self._reactor} {partition}": partition for partition in taken}
        left = await begin_handling(self.connection, list(handlers), self._run.id)
        return {handlers[handler]: one for handler, one in left.items()}

    async def mark(self, partitions: Collection[int], deaths: int = 0, cause: int | None = None) -> None:
        """As mark_handling."""
        if partitions:
            await mark_handling(self.connection, self._handlers(partitions), self._run.id, deaths, cause)

    def _handlers(self, partitions: Collection[int]) -> list[str]:
        return [f"reactor {self._reactor} {partition}" for partition in partitions]

    async def _before_release(self, partitions: Sequence[int]) -> None:
        await end_handling(self.connection, self._handlers(partitions), self._run.id)

    async def _leave(self, connection: Connection) -> None:
        await end_handling(connection, self._handlers(self.owned), self._run.id)
        await super()._leave(connection)


class PossibleCauses(NamedTuple):
    """Events that may have ended `deaths` runs: those after the checkpoints of these partitions.

    last: the last one of them; None if it is unknown, after a first death.
    """

    partitions: set[int]
    deaths: int
    last: int | None

    @property
    def fatal(self) -> int | None:
        """The position of the event that ended all of them; None if it is not found yet."""
        return self.last if self.deaths == MOST_DEATHS else None


def possible_causes_of(left: Mapping[int, Left], handled: Mapping[int, int]) -> list[PossibleCauses]:
    """The possible causes in partitions that were left marked, those with the most deaths first.

    handled: the checkpoint of each partition.
    """
    found: dict[tuple[int, int | None], set[int]] = {}
    for partition, one in left.items():
        deaths = one.deaths_now(handled[partition])
        found.setdefault((deaths, one.cause if deaths > 1 else None), set()).add(partition)
    causes = [PossibleCauses(partitions, deaths, last) for (deaths, last), partitions in found.items()]
    return sorted(causes, key=lambda one: -one.deaths)


async def handle_possible_causes(
    database: Database,
    leases: ReactorLeases,
    run: HandlingRun,
    reactor: str,
    causes: PossibleCauses,
    most: int,
    active: Callable[[], Mapping[int, int]],
    handle: Callable[[Collection[int], Sequence[RecordedEvent]], Awaitable[None]],
) -> None:
    """Handles the events that may have ended the process. most: how many a process handles at once.

    active: the checkpoints of the partitions that have not stopped. handle: handles events and commits.
    """
    partitions, deaths, last = causes
    text = "reactor %s: the owner of partitions %s has died; their next events are handled one by one"
    logger.warning(text, reactor, ", ".join(map(str, sorted(partitions))))
    end = last
    while checkpoints := {p: at for p, at in active().items() if p in partitions}:
        after = min(checkpoints.values())
        end = after + most if end is None else end
        events = await read_log(database, after, min(after + 1, end), 1)
        if not events:
            break
        async with run.alone():
            await leases.mark(checkpoints, deaths, events[-1].position)
            await handle(checkpoints, events)
    stopped = partitions - active().keys() if causes.fatal is not None else set()
    await leases.mark(partitions & set(leases.owned) - stopped)
