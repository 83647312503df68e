"""What must be true of a database that was measured. A broken promise fails the run."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from bench.servers import System
from commander.domain import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import OrderedConsumer
from commander.streaming.nats.streams import event_subject

_PAGE = 1000

_COUNTS = """
    select position as head, (select count(*) from events) as events, log_head.commands as ended,
           (select count(*) from commands) as commands
    from log_head
"""
_SPARSE_STREAMS = """
    select count(*) from (
        select stream from events group by stream having (min(version), max(version)) <> (1, count(*))
    ) as sparse
"""
_UNLIKE_THEIR_EVENTS = """
    select count(*)
    from commands as c
    left join (select command_id, count(*) as events from events group by command_id) as e using (command_id)
    where coalesce(e.events, 0) <> c.event_count
"""


class BrokenInvariant(CommanderError):
    """A promise of the design does not hold for what this run stored."""


async def audit_system(system: System, submitted: Sequence[UUID]) -> None:
    """All of the following: these commands were submitted, and relay and projections have followed."""
    await audit_log(system.database)
    await audit_outcomes(system.database, submitted)
    await audit_mirror(system.database, system.nats)
    await audit_accounts(system.database)


async def audit_log(database: Database) -> None:
    """Positions are 1 to the head, commands are numbered likewise; so are the versions of each stream."""
    await database.fetch("analyze events")  # or the queries here are planned as for empty tables
    await database.fetch("analyze commands")
    counts = dict(await database.fetchrow(_COUNTS) or {})
    if counts["head"] != counts["events"]:
        raise BrokenInvariant(f"the log is not dense: {counts}")
    if counts["ended"] != counts["commands"]:
        raise BrokenInvariant(f"the commands are not numbered densely: {counts}")
    if sparse := await database.fetchval(_SPARSE_STREAMS):
        raise BrokenInvariant(f"the versions of {sparse} streams are not dense")


async def audit_outcomes(database: Database, submitted: Sequence[UUID]) -> None:
    """Each command that was submitted ended once, and applied, with its events; no other command did."""
    if len(set(submitted)) != len(submitted):
        raise BrokenInvariant("two commands were given one id")
    ended = await database.fetchval("select count(*) from commands")
    ours = await database.fetchval(
        "select count(*) from commands where command_id = any($1::uuid[]) and status = 'APPLIED'", submitted
    )
    if not ended == ours == len(submitted):
        raise BrokenInvariant(
            f"{len(submitted)} commands were submitted, {ended} ended, {ours} as they should"
        )
    if unlike := await database.fetchval(_UNLIKE_THEIR_EVENTS):
        raise BrokenInvariant(f"{unlike} commands have other events than their outcomes say")


async def audit_mirror(database: Database, nats: Nats) -> None:
    """Message p of EVENTS is the event at position p, up to the head of the log, and none is beyond."""
    head = await head_position(database)
    last = (await nats.jetstream.stream_info(nats.names.events)).state.last_seq
    if last != head:
        raise BrokenInvariant(f"{nats.names.events} ends at {last}, the log at {head}")
    position = 0
    async with OrderedConsumer(nats, nats.names.events, [], 0) as mirror:
        while position < head:
            messages = await mirror.next_batch(_PAGE, timeout_seconds=10)
            if not messages:
                raise BrokenInvariant(f"{nats.names.events} has no message {position + 1}")
            events = await read_log(database, position, position + len(messages), len(messages))
            for event, message in zip(events, messages, strict=True):
                mirrored = (message.sequence, message.subject, message.data.decode())
                headers = message.headers or {}
                same = headers.get("Commander-Command-Id") == str(event.command_id)
                same &= headers.get("Commander-Version") == str(event.version)
                if not same or mirrored != (event.position, event_subject(nats.names, event), event.data):
                    raise BrokenInvariant(
                        f"message {message.sequence} of {nats.names.events} is not event {event.position}"
                    )
            position += len(messages)


async def audit_accounts(database: Database) -> None:
    """The projection of accounts is a fold of the log: every deposit is in one balance, once."""
    table, position = tuple(
        await database.fetchrow("select table_name, position from projections where name = 'account'") or ()
    )
    balances = await database.fetchval(f'select sum(balance) from "{table}"')
    deposited = await database.fetchval(
        """select sum((data->>'amount')::numeric) from events
           where type = 'MoneyDeposited' and position <= $1""",
        position,
    )
    if balances != deposited:
        raise BrokenInvariant(
            f"the balances are {balances} at position {position}, deposited was {deposited}"
        )
