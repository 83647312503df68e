"""The identity of a system: made once with its database, and carried by its streams on NATS."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.log.epochs import FIRST, Epochs, read_epochs


class AnotherName(CommanderError):
    """The database belongs to a system of another name. The message says which, and what to do."""


class Identity(NamedTuple):
    """A system. name: "" for one that is older than names; its streams and subjects on NATS have no prefix.

    id: tells it from another system of the same name. A copy of the database has the same id.
    epochs: those of its log.
    """

    name: str
    id: UUID
    epochs: Epochs = FIRST


async def settle_identity(database: Database, given: str | None, default: str) -> Identity:
    """The identity of the system. The first start records its name. Raises AnotherName and Unavailable.

    given: COMMANDER_SYSTEM. default: the name if that is not set.
    """
    await database.fetch("update system_identity set name = $1 where name is null", given or default)
    found = await identity_of(database)
    assert found is not None, "the migration inserts the row"
    wanted = given or (default if found.name else "")
    if found.name == wanted:
        return found
    if not found.name:
        raise AnotherName(
            f"COMMANDER_SYSTEM is {wanted}, but the system of this database is older than names: its streams "
            "are COMMANDS and EVENTS. Unset COMMANDER_SYSTEM; to give the system a name, export its log and "
            "import it into a new database"
        )
    raise AnotherName(
        f"this database belongs to the system {found.name}, and this process to {wanted} (COMMANDER_SYSTEM, "
        f"by default the domain's name): set COMMANDER_SYSTEM={found.name}, or use another database"
    )


async def identity_of(database: Database) -> Identity | None:
    """The identity of the system; None before its first start."""
    row = await database.fetchrow("select name, id from system_identity")
    if row is None or row["name"] is None:
        return None
    return Identity(row["name"], row["id"], await read_epochs(database))
