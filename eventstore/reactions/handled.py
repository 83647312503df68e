"""Which events reactors have handled, those of parked keys included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commander.eventstore.database import Database
from commander.eventstore.sql import statement

_HANDLED = statement("handled_events")


@dataclass(frozen=True)
class Handled:
    """How far reactors are.

    positions: by reactor, what all its partitions have handled. parked: by reactor and key, up to which
    position the events of a parked key are handled.
    """

    positions: Mapping[str, int]
    parked: Mapping[str, Mapping[str, int]]

    def includes(self, reactor: str, key: str | None, position: int) -> bool:
        """Whether the reactor has handled the event with this key. key: None if it is unknown."""
        if self.positions.get(reactor, 0) < position:
            return False
        parked = self.parked.get(reactor, {})
        if key is None:
            return all(at >= position for at in parked.values())
        return parked.get(key, position) >= position


async def handled_events(database: Database) -> Handled:
    """Which events each reactor has handled."""
    rows = await database.fetch(_HANDLED)
    return Handled(
        {row["name"]: row["position"] for row in rows},
        {row["name"]: dict(zip(row["keys"], row["handled"], strict=True)) for row in rows if row["keys"]},
    )


async def completed_positions(database: Database) -> dict[str, int]:
    """By reactor, the position up to which every event is handled, also those of parked keys."""
    handled = await handled_events(database)
    return {name: min((at, *handled.parked.get(name, {}).values())) for name, at in handled.positions.items()}
