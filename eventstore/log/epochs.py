"""The epochs of a log. A new one begins when a store was set back to an older state.

After that, positions can hold other events than before. A position in a cursor, in a message or in the
memory of a consumer is therefore of an epoch. Positions before the first one of each later epoch hold the
same events as before. `log_has` tells whether an event is still in the log.
"""

from __future__ import annotations

from typing import NamedTuple

from commander.eventstore.database import Connection, Database


class Epoch(NamedTuple):
    """An epoch. first_position: positions from here on belong to it, until the next epoch begins."""

    number: int
    first_position: int


class Epochs(tuple[Epoch, ...]):
    """The epochs of a log, oldest first. There is always one."""

    __slots__ = ()

    @property
    def current(self) -> int:
        """The number of the newest epoch."""
        return self[-1].number

    def at(self, position: int) -> int:
        """The epoch that a position belongs to."""
        newest = self[-1]
        if position >= newest.first_position:
            return newest.number
        return max((one.number for one in self if one.first_position <= position), default=1)

    def last_kept(self, epoch: int) -> int | None:
        """The last position that still holds what it held in this epoch. None if all of them do."""
        later = [one.first_position - 1 for one in self if one.number > epoch]
        return min(later, default=None)


FIRST = Epochs((Epoch(1, 1),))
"""The epochs of a log that was never set back."""


async def read_epochs(database: Database) -> Epochs:
    """The epochs of the log. Raises Unavailable."""
    rows = await database.fetch("select epoch, first_position from epochs order by epoch")
    return Epochs(Epoch(*row) for row in rows)


async def begin_epoch(connection: Connection, begun: Epoch) -> None:
    """Records a new epoch, in the caller's transaction."""
    await connection.execute("insert into epochs (epoch, first_position) values ($1, $2)", *begun)
