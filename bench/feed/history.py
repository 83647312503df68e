"""A log that is long already, of nothing but deposits."""

from __future__ import annotations

from bench.feed.publishing import AMOUNT, account_of
from bench.histories import database_with
from bench.servers import Servers
from commander.examples.bank import bank
from commander.examples.bank.messages import MoneyDeposited

_STREAMS = 1000
_PLACE = "00000000-0000-0000-0000-000000000001"
_FILL = f"""
    insert into events
    select n, 'account-' || account, (n - 1) / {_STREAMS} + 1, 'MoneyDeposited', 1,
           replace($2, '{_PLACE}', account)::json, id, id, null, now()
    from generate_series(1, $1::bigint) as n,
         lateral (select gen_random_uuid() as id, '00000000-0000-0000-0000-'
                         || lpad(to_hex((n - 1) % {_STREAMS} + 1), 12, '0') as account) as made
    order by n
"""


async def database_with_history(servers: Servers, events: int) -> str:
    """The name of a database, for a template, whose log holds this many deposits to 1,000 accounts."""
    assert str(account_of(0)) == _PLACE, "the first account"
    data = bank.events["MoneyDeposited"].encode(MoneyDeposited(account_of(0), AMOUNT)).decode()
    return await database_with(servers, f"history_{events}", _FILL, events, data)
