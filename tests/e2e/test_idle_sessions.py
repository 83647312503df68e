"""A managed Postgres ends idle sessions. The parts keep theirs, and every mutation is accepted."""

from __future__ import annotations

import asyncio

from commander.eventstore.database import Database
from tests.databases import EMPTYING
from tests.e2e.bank import apply, balance_of, opened
from tests.e2e.parts import Parts

LIMIT_SECONDS = 0.3
_SESSIONS = """
select pid, application_name from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""
_IDLE = f"""
select count(distinct application_name) from pg_stat_activity
where datname = current_database() and state = 'idle' and application_name <> '{EMPTYING}'
  and clock_timestamp() - state_change > interval '{LIMIT_SECONDS * 2} seconds'
"""


async def test_parts_go_on_beside_a_limit_for_idle_sessions(parts: Parts, database: Database) -> None:
    name = await database.fetchval("select current_database()")
    await database.fetch(f'alter database "{name}" set idle_session_timeout = {int(LIMIT_SECONDS * 1000)}')
    try:
        [api, *_] = await asyncio.to_thread(
            parts.start, "api", "processor", "relay", "projections", "reactors"
        )
        account = await asyncio.to_thread(opened, api)
        before = set(await database.fetch(_SESSIONS))
        for amount in range(1, 6):
            async with asyncio.timeout(20):
                while await database.fetchval(_IDLE) < 3:  # of the API, the relay, a projection …
                    await asyncio.sleep(0.02)
            deposit = {"accountId": account, "amount": "1"}
            await asyncio.to_thread(apply, api, "deposit", deposit, wait="PROJECTED")
            assert await asyncio.to_thread(balance_of, api, account) == f"{amount}.00"
        assert before <= set(await database.fetch(_SESSIONS))
    finally:
        await database.fetch(f'alter database "{name}" reset idle_session_timeout')
