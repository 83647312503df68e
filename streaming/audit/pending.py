"""Pending commands that Postgres has: each is in COMMANDS, or has an outcome.

The whole of COMMANDS is read once, and only if Postgres has such commands. What seems to be missing is looked
up again by its subject: a schedule that fires meanwhile moves to the end of the queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import msgspec

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.database import Database
from commander.eventstore.log.outcomes import ended_among
from commander.eventstore.log.pending import undecided_commands
from commander.streaming.commands.messages import commands_in
from commander.streaming.commands.pending_by_id import pending_alone
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import next_messages

_PAGE = 500
_BYTES = 8 * 1024 * 1024
_REPAIR = Repair(Mend.PENDING)


def pending_check(nats: Nats) -> Check:
    """The check on this connection."""

    async def missing(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        senders = await _senders(audit.database)
        if not senders:
            return
        async for command_ids in _queued(nats, show):
            for command_id in command_ids:
                senders.pop(command_id, None)
        lost: dict[str, list[UUID]] = {}
        for command_id in await _undecided(audit.database, list(senders)):
            if await pending_alone(nats, command_id) is None:
                lost.setdefault(senders[command_id], []).append(command_id)
        counts = Counter({sender: len(ids) for sender, ids in lost.items()})
        for sender, count in counts.most_common():
            some = f"{count} of its commands have no outcome and are not in {nats.names.commands}"
            yield Finding(Kind.PENDING_MISSING, sender, f"{some}, such as {lost[sender][0]}", _REPAIR)

    return Check("each pending command that Postgres has is queued or scheduled", missing)


async def _senders(database: Database) -> dict[UUID, str]:
    """Who sent each command without an outcome that Postgres has."""
    senders: dict[UUID, str] = {}
    async for page in undecided_commands(database):
        for one in page:
            actor = one.actor or "" if (one.actor or "").startswith("every ") else "clients"
            senders[one.command_id] = f"the reactor {one.reactor}" if one.reactor is not None else actor
    return senders


async def _undecided(database: Database, command_ids: list[UUID]) -> list[UUID]:
    ended: set[UUID] = set()
    for begin in range(0, len(command_ids), _PAGE):
        ended |= await ended_among(database, command_ids[begin : begin + _PAGE])
    return [one for one in command_ids if one not in ended]


async def _queued(nats: Nats, show: Show) -> AsyncIterator[set[UUID]]:
    """The ids of all commands in COMMANDS, scheduled ones too, in pages."""
    last, left, count = 0, 1, 0
    while left:
        subject = f"{nats.names.prefix}commands.>"
        page = await next_messages(nats, nats.names.commands, subject, last + 1, _PAGE, _BYTES)
        if not page.messages:
            return
        last, left, count = page.messages[-1].sequence, page.left, count + len(page.messages)
        found: set[UUID] = set()
        for message in page.messages:
            with suppress(msgspec.DecodeError):  # another client's: the processor passes over it too
                found |= {one.command_id for one in commands_in(message.subject, message.data)}
        yield found
        show(count, count + left)
