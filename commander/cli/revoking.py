"""`commander revoke`: the tokens of a subject are no longer accepted, and its streams end."""

from __future__ import annotations

import asyncio
import time

from commander.cli.joining import join
from commander.domain.checking import unusable_scalar
from commander.domain.errors import InvalidRequest
from commander.eventstore.database import Database
from commander.eventstore.log.revocations import store_revocations
from commander.parts.process import given_url, loop_factory
from commander.settings import read_settings
from commander.streaming.nats.connection import Nats
from commander.streaming.revocations import LONGEST_SUBJECT, publish_revocation


def run_revoke(subject: str) -> None:
    """Revokes the tokens that a subject was given until now. Raises CommanderError."""
    if not subject or len(subject) > LONGEST_SUBJECT or unusable_scalar(subject):
        raise InvalidRequest("SUBJECT", f"must be a text of 1 to {LONGEST_SUBJECT} characters")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_revoke(subject))
    print(f"the tokens that {subject} was given until now are no longer accepted")


async def _revoke(subject: str) -> None:
    """Stores it first: an API process that gets no message finds it there."""
    settings = read_settings()
    database = Database(given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL"), max_connections=1)
    nats = Nats(given_url(settings.nats_url, "COMMANDER_NATS_URL"))
    try:
        await nats.connect("commander revoke")
        await join(nats, database)
        await store_revocations(database, {subject: time.time()})
        await publish_revocation(nats, subject)
    finally:
        await nats.close()
        await database.close()
