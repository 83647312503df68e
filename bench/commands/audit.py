"""h: what must be true of a database that was measured. A broken promise fails the run."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commander.domain import CommanderError
from eventstore.database import Database
from eventstore.log import head_position, read_log
from streaming.connection import Nats
from streaming.pull import OrderedPull
from streaming.streams import EVENTS, event_subject

_PAGE = 1000

_SPARSE_POSITIONS = """
    select head.position as head, count(e.position) as events, min(e.position) as lowest,
           max(e.position) as highest
    from (select position from log_head) as head left join events as e on true
    group by head.position
    having (count(e.position), coalesce(max(e.position), 0)) <> (head.position, head.position)
"""
_SPARSE_VERSIONS = """
    select stream from events group by stream
    having (min(version), max(version)) <> (1, count(*)) limit 1
"""
_UNLIKE_THEIR_EVENTS = """
    select c.command_id from commands as c left join events as e using (command_id)
    group by c.command_id having count(e.position) <> c.event_count limit 1
"""


class BrokenInvariant(CommanderError):
    """A promise of the design does not hold for what this run stored."""


async def audit_log(database: Database) -> None:
    """Positions are 1 to head; the versions of each stream are 1 to its newest."""
    if sparse := await database.fetchrow(_SPARSE_POSITIONS):
        raise BrokenInvariant(f"the log is not dense: {dict(sparse)}")
    if stream := await database.fetchval(_SPARSE_VERSIONS):
        raise BrokenInvariant(f"the versions of {stream} are not dense")


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
    if command_id := await database.fetchval(_UNLIKE_THEIR_EVENTS):
        raise BrokenInvariant(f"the events of command {command_id} are not as many as its outcome says")


async def audit_mirror(database: Database, nats: Nats) -> None:
    """Message p of EVENTS is the event at position p, up to the head of the log, and none is beyond."""
    head = await head_position(database)
    last = (await nats.jetstream.stream_info(EVENTS)).state.last_seq
    if last != head:
        raise BrokenInvariant(f"{EVENTS} ends at {last}, the log at {head}")
    position = 0
    async with OrderedPull(nats, EVENTS, ["events.>"], 0) as mirror:
        while position < head:
            messages = await mirror.next_batch(_PAGE, timeout_seconds=10)
            if not messages:
                raise BrokenInvariant(f"{EVENTS} has no message {position + 1}")
            events = await read_log(database, position, position + len(messages), len(messages))
            for event, message in zip(events, messages, strict=True):
                mirrored = (message.sequence, message.subject, message.data.decode())
                headers = message.headers or {}
                same = headers.get("Commander-Command-Id") == str(event.command_id)
                same &= headers.get("Commander-Version") == str(event.version)
                if not same or mirrored != (event.position, event_subject(event), event.data):
                    raise BrokenInvariant(
                        f"message {message.sequence} of {EVENTS} is not event {event.position}"
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
