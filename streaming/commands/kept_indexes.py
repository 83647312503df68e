"""Indexes of the log that other code keeps up: when this code may replace one, or drop it.

During a deployment old and new code run side by side, and only one of them can append: that which keeps up
the active index. Newer code has it for as long as it runs. Otherwise each would build the index again as soon
as the other has it.
"""

from __future__ import annotations

import logging

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys
from commander.eventstore.log.indexes import LogIndex, active_indexes, drop_index
from commander.eventstore.sharing import newer_codes, sessions
from commander.streaming.leases import DECIDING
from commander.streaming.newer_code import NotKnown

logger = logging.getLogger("commander.processor")

UNIQUE = "unique "
"""How the name of the index of a unique key begins; its stored name follows."""


async def must_be_free(domain: Domain, database: Database, name: str, fingerprint: str) -> None:
    """Raises NotKnown if a processor of newer code runs, and this index of other code is active."""
    async with database.connection() as connection:
        active = await active_indexes(connection)
    if not any(one.name == name and one.fingerprint != fingerprint for one in active):
        return
    newer = {one.fingerprint for one in await newer_codes(database, domain.code)}
    deciding = {
        one.fingerprint for one in await sessions(database) if one.application == DECIDING.application
    }
    if newer & deciding:
        raise NotKnown(f"newer code runs, and keeps up {name} in another way")


async def give_up(domain: Domain, database: Database, index: LogIndex) -> None:
    """Drops the active index of a retired unique key when no code with it decides any more.

    Raises NotKnown before that, and for an index of a rule that is not retired.
    """
    name = index.name
    key = name.removeprefix(UNIQUE)
    if not domain.names.is_retired("unique key", key):
        retired = f'{domain.name}.retired(unique_keys=("{key}",)), or ' if key != name else ""
        problem = f"other code has switched {name} on, which this code would break"
        raise NotKnown(f"{problem}; if its rule is gone for good: {retired}commander indexes drop {name!r}")
    if await held_keys(database, Lock.PARTITION):
        raise NotKnown(f"{name} is retired, and processors whose code has it still decide")
    async with database.connection() as connection:
        await drop_index(connection, name)
    logger.info("%s is retired, and was dropped", name)
