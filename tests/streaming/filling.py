"""Filling the log without a processor: decisions appended as one would."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec

from commander.domain.digests import stored_digest
from commander.eventstore.database import Connection, Database
from commander.eventstore.log.event_log import append
from commander.eventstore.records import Decision, NewEvent, RecordedEvent, Status
from commander.examples.bank import bank
from commander.examples.bank.messages import AccountOpened, OpenAccount
from tests.streaming.conftest import submitted


def opening(owner: str, account: UUID | None = None) -> Decision:
    """The decision to open an account."""
    account = account or uuid4()
    command = submitted(OpenAccount(owner, account))
    data = bank.events["AccountOpened"].encode(AccountOpened(account, owner)).decode()
    digest = stored_digest(command.type, bytes(msgspec.Raw(command.data)))
    return Decision(command, digest, Status.APPLIED, 1, (NewEvent("AccountOpened", 1, data),))


async def fill(database: Database, count: int, owner: str = "Ada") -> list[RecordedEvent]:
    """Appends `count` opened accounts, each a stream of its own, in transactions of 500."""
    async with database.connection() as connection:
        return await fill_within(connection, count, owner)


async def fill_within(connection: Connection, count: int, owner: str = "Ada") -> list[RecordedEvent]:
    """As `fill`, with this connection, which may be in a transaction."""
    made: list[RecordedEvent] = []
    for begin in range(0, count, 500):
        decisions = [opening(owner) for _ in range(min(500, count - begin))]
        made += (await append(connection, decisions, None)).events
    return made
