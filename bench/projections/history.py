"""The bank's history: accounts that were opened, and money that went in and out of them in no order."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from bench.histories import database_with
from bench.servers import Servers
from commander.domain import EventType
from commander.examples.bank import bank
from commander.examples.bank.messages import AccountOpened, MoneyDeposited, MoneyWithdrawn

IN, OUT = Decimal("3.00"), Decimal("1.00")
_PLACE = UUID(int=1)
# Deposits and withdrawals are equally many. The accounts come in the order of a multiplication modulo their
# number, so each is met equally often.
_FILL = f"""
    insert into events
    select n, 'account-' || account, row_number() over (partition by account order by n),
           case when n <= $2 then 'AccountOpened' when n % 2 = 0 then 'MoneyDeposited'
                else 'MoneyWithdrawn' end, 1,
           replace(case when n <= $2 then $3 when n % 2 = 0 then $4 else $5 end, '{_PLACE}', account)::json,
           id, id, null, now()
    from generate_series(1, $1::bigint) as n,
         lateral (select gen_random_uuid() as id,
                         md5(((n * 7919) % $2::bigint)::text)::uuid::text as account) as made
    order by n
"""


async def database_with_money(servers: Servers, events: int, accounts: int) -> str:
    """The name of a database, for a template, with this many events of this many accounts."""
    shown = AccountOpened(_PLACE, "Ada"), MoneyDeposited(_PLACE, IN), MoneyWithdrawn(_PLACE, OUT)
    data = [_encoded(event) for event in shown]
    name = f"money_{events}_{accounts}"
    return await database_with(servers, name, _FILL, events, accounts, *data)


def _encoded(event: object) -> str:
    type_ = bank.type_of(event)
    assert isinstance(type_, EventType), "the bank's own"
    return type_.encode(event).decode()
