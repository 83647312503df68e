"""A query whose client goes ends at once, in the API and in Postgres."""

from __future__ import annotations

import asyncio

import httpx

from commander.eventstore.database import Database
from tests.e2e.parts import Parts
from tests.e2e.sockets import LEGACY_WS, TRANSPORT_WS, socket_to
from tests.system import NO_TLS

COMMANDS = "{ commands(first: 5) { edges { cursor } } }"
_WAITING = """select count(*) from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'
                and query like '%decider_now%'"""


async def until_waiting(database: Database, count: int) -> None:
    async with asyncio.timeout(20):
        while await database.fetchval(_WAITING) != count:
            await asyncio.sleep(0.02)


async def test_a_query_ends_when_its_client_goes(parts: Parts, database: Database) -> None:
    [api] = await asyncio.to_thread(parts.start, "api")
    holder = await database.connect("a test")
    try:
        async with holder.transaction():
            await holder.execute("lock table commands in access exclusive mode")
            for accept in ("application/json", "text/event-stream"):
                async with httpx.AsyncClient(verify=NO_TLS) as client:
                    asked = asyncio.create_task(
                        client.post(api.url, json={"query": COMMANDS}, headers={"accept": accept})
                    )
                    await until_waiting(database, 1)
                    asked.cancel()
                    await asyncio.gather(asked, return_exceptions=True)
                await until_waiting(database, 0)
            for protocol, begin in ((TRANSPORT_WS, "subscribe"), (LEGACY_WS, "start")):
                async with socket_to(api, protocol) as socket:
                    await socket.send({"type": begin, "id": "1", "payload": {"query": COMMANDS}})
                    await until_waiting(database, 1)
                await until_waiting(database, 0)
                async with socket_to(api, protocol) as socket:
                    await socket.send({"type": begin, "id": "1", "payload": {"query": COMMANDS}})
                    await until_waiting(database, 1)
                    ending = "complete" if protocol == TRANSPORT_WS else "stop"
                    await socket.send({"type": ending, "id": "1"})
                    await until_waiting(database, 0)
    finally:
        holder.terminate()
