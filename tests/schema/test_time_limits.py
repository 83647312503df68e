"""An operation that takes too long ends by every transport, and what it runs in Postgres ends with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import httpx

from commander.eventstore.database import Database
from commander.examples.bank import bank
from commander.examples.bank.messages import OpenAccount
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from tests.schema.transports import CARRIES, client_of, first, serving
from tests.streaming.conftest import Bank
from tests.system import NO_TLS

GRAPHQL_JSON = "application/graphql-response+json"
SLOW = "{ commands(first: 5) { edges { cursor } } }"
NESTED = "{ accounts(first: 5) { edges { node { events { edges { cursor } } } } } }"
SECONDS = 0.5
_WAITING = """select count(*) from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock' and query like $1"""
OF_COMMANDS, OF_STREAMS = "%from commands%", "%with ordinality as wanted%"


async def until_waiting(database: Database, query: str, count: int) -> None:
    async with asyncio.timeout(20):
        while await database.fetchval(_WAITING, query) != count:
            await asyncio.sleep(0.01)


async def test_a_query_ends_in_time_by_each_transport_and_its_statement_too(services: Services) -> None:
    short = replace(services, limits=replace(services.limits, operation_seconds=SECONDS))
    transports = [name for name, kinds in CARRIES.items() if "query" in kinds]
    holder = await services.database.connect("a test")
    try:
        async with serving(build_schema(bank), lambda: short) as port:
            async with holder.transaction():
                await holder.execute("lock table commands in access exclusive mode")
                for transport in transports:
                    async with client_of(transport, port) as client:
                        asked = asyncio.create_task(first(client, SLOW))
                        await until_waiting(services.database, OF_COMMANDS, 1)
                        [answer] = await asked
                        await until_waiting(services.database, OF_COMMANDS, 0)
                    [error] = answer["errors"]
                    assert error["extensions"] == {"code": "TIMED_OUT", "seconds": SECONDS}
                    assert "ended after 0.5 seconds, which is the limit: ask for less" in error["message"]
                async with httpx.AsyncClient(verify=NO_TLS, timeout=20) as http:
                    for accept, status in (
                        ("application/graphql-response+json", 504),
                        ("application/json", 200),
                    ):
                        url, headers = f"http://127.0.0.1:{port}/graphql", {"accept": accept}
                        response = await http.post(url, json={"query": SLOW}, headers=headers)
                        assert response.status_code == status
                        assert "data" not in response.json()
            async with client_of("http", port) as client:
                [answer] = await first(client, SLOW)
            assert answer["data"] == {"commands": {"edges": []}}
    finally:
        holder.terminate()


async def test_statements_of_fields_below_end_too(all_parts: Services, servers: Bank) -> None:
    """Fields below a list are loaded together, by a task of their own."""
    await servers.submit(OpenAccount("Ada", uuid4()))
    async with asyncio.timeout(20):
        while not all_parts.progress.position_of("account"):
            await asyncio.sleep(0.02)
    short = replace(all_parts, limits=replace(all_parts.limits, operation_seconds=10 * SECONDS))
    holder = await all_parts.database.connect("a test")
    try:
        async with (
            serving(build_schema(bank), lambda: short) as port,
            client_of("http", port) as client,
            holder.transaction(),
        ):
            await holder.execute("lock table events in access exclusive mode")
            asked = asyncio.create_task(first(client, NESTED))
            await until_waiting(all_parts.database, OF_STREAMS, 1)
            [answer] = await asked
            assert answer["errors"][0]["extensions"]["code"] == "TIMED_OUT"
            await until_waiting(all_parts.database, OF_STREAMS, 0)
    finally:
        holder.terminate()


async def test_an_item_of_a_subscription_to_a_command_ends_in_time(
    all_parts: Services, servers: Bank
) -> None:
    """What is read for it, and its fields."""
    command_id = await servers.submit(OpenAccount("Ada", uuid4()))
    await servers.outcome(command_id, 20)
    short = replace(all_parts, limits=replace(all_parts.limits, operation_seconds=SECONDS))
    status = f'subscription {{ commandStatus(commandId: "{command_id}") {{ events {{ position }} }} }}'
    tree = f'subscription {{ lineage(commandId: "{command_id}") {{ settled }} }}'
    holder = await all_parts.database.connect("a test")
    try:
        async with serving(build_schema(bank), lambda: short) as port:
            for table, document in (("commands", status), ("events", status), ("commands", tree)):
                async with client_of("graphql-transport-ws", port) as client, holder.transaction():
                    await holder.execute(f"lock table {table} in access exclusive mode")
                    [answer] = await first(client, document)
                assert answer["errors"][0]["extensions"] == {"code": "TIMED_OUT", "seconds": SECONDS}
    finally:
        holder.terminate()


async def test_a_mutation_has_the_time_that_it_may_wait_in_addition(services: Services) -> None:
    """No processor runs, so the mutation waits as long as it asked for. Then its command stays stored."""
    limits = replace(services.limits, operation_seconds=SECONDS, max_wait_seconds=1)
    short = replace(services, limits=limits)
    given = f'input: {{owner: "Ada"}}, options: {{timeoutMs: 1000, commandId: "{uuid4()}"}}'
    document = f"mutation {{ openAccount({given}) {{ __typename }} }}"
    async with serving(build_schema(bank), lambda: short) as port, client_of("http", port) as client:
        [answer] = await first(client, document)
    assert answer["data"] == {"openAccount": {"__typename": "CommandPending"}}
