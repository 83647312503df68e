"""What must be true of the rules afterwards, asked of the events. A broken promise fails the run."""

from __future__ import annotations

from bench.audit import BrokenInvariant
from commander.eventstore.database import Database

_NEWEST = """
    select distinct on (stream) stream, data ->> 'email' as email from events order by stream, version desc
"""
_SHARED_ADDRESSES = f"""
    select count(*) from (select from ({_NEWEST}) as newest group by email having count(*) > 1) as shared
"""
_UNLIKE_THEIR_KEYS = f"""
    select count(*)
    from ({_NEWEST}) as newest
    full join (
        select k.stream, k.key::json ->> 0 as email
        from unique_keys as k join log_indexes as i on i.id = k.index_id and i.active
    ) as held using (stream, email)
    where newest is null or held is null
"""
_BLIND = """
    select count(*) from (
        select (data ->> 'balance')::bigint - (data ->> 'cents')::bigint as expected,
               coalesce(lag((data ->> 'balance')::bigint) over of_stream, 0) as before
        from events window of_stream as (partition by stream order by version)
    ) as one
    where expected <> before
"""
_HALF_MOVED = """
    select count(*) from (
        select from events where type = 'Moved' group by command_id
        having count(*) <> 2 or count(distinct stream) <> 2 or sum((data ->> 'cents')::bigint) <> 0
    ) as half
"""
_MOVED = "select count(distinct command_id) from events where type = 'Moved'"
_CENTS = "select sum((data ->> 'cents')::bigint)::bigint from events"
_WRONG_NUMBERS = """
    select count(*) from (
        select from events group by data ->> 'concert_id'
        having (min((data ->> 'number')::bigint), max((data ->> 'number')::bigint),
                count(distinct data ->> 'number')) <> (1, count(*), count(*))
    ) as wrong
"""


async def audit_addresses(database: Database, *, indexed: bool) -> None:
    """No two members have the same address. indexed: each holds its own key, and no other key is held."""
    if shared := await database.fetchval(_SHARED_ADDRESSES):
        raise BrokenInvariant(f"{shared} addresses belong to more than one member")
    if indexed and (unlike := await database.fetchval(_UNLIKE_THEIR_KEYS)):
        raise BrokenInvariant(f"{unlike} keys or members are without the other")


async def audit_transfers(database: Database, cents: int, transfers: int) -> None:
    """Each decision has seen all events before it, each transfer moved money between two, none came or went.

    cents: what all accounts have together.
    """
    if blind := await database.fetchval(_BLIND):
        raise BrokenInvariant(f"{blind} events were decided on another balance than the one before them")
    if half := await database.fetchval(_HALF_MOVED):
        raise BrokenInvariant(f"{half} transfers are not in two streams, or lose or make money")
    if (moved := await database.fetchval(_MOVED)) != transfers:
        raise BrokenInvariant(f"{transfers} transfers were submitted, {moved} are in the log")
    if (total := await database.fetchval(_CENTS)) != cents:
        raise BrokenInvariant(f"the accounts have {total} cents, and had {cents}")


async def audit_seats(database: Database, holds: int) -> None:
    """The seats of each concert are numbered densely: each decision has counted all before it."""
    if (held := await database.fetchval("select count(*) from events")) != holds:
        raise BrokenInvariant(f"{holds} seats were asked for, {held} are held")
    if wrong := await database.fetchval(_WRONG_NUMBERS):
        raise BrokenInvariant(f"the seats of {wrong} concerts are not numbered densely")
