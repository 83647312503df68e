"""Making a reactor's states again from the log, with its commands muted."""

from __future__ import annotations

from collections.abc import AsyncIterator

from commander.domain.errors import CommanderError
from eventstore.database import Connection, Database
from eventstore.log import read_log
from eventstore.reactors import Checkpoint, save_reactor
from streaming.reactions import Reacting

_BATCH = 500


class ReplayStopped(CommanderError):
    """The domain's code fails on an event that it took before; mend it, or leave its states as they are."""

    def __init__(self, reactor: str, position: int, reason: str) -> None:
        super().__init__(f"the reactor {reactor} failed at position {position}: {reason}")
        self.position = position
        self.reason = reason


async def replayed(
    connection: Connection, database: Database, reacting: Reacting, begin: Checkpoint
) -> AsyncIterator[int]:
    """Folds the log from where the states are to where the reactor is; the position, after each page.

    connection: the one that holds the reactor's lock. Each page is saved, so another may go on.
    Raises ReplayStopped, Unavailable.
    """
    position = begin.folded
    while position < begin.position:
        events = await read_log(database, position, begin.position, _BATCH)
        reactions, failed = await reacting.to(connection, events)
        position = events[-1].position if failed is None else failed.position - 1
        await save_reactor(connection, reacting.name, position, reactions.changed, folded_only=True)
        yield position
        if failed is not None:
            raise ReplayStopped(reacting.name, *failed)
