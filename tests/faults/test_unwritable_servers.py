"""Postgres takes no writes: mutations say so, reads go on, and what was stored is decided when it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.faults.audit import assert_all_well
from tests.faults.customers import Client
from tests.faults.servers import Servers
from tests.faults.subscriber import Subscriber
from tests.faults.test_servers_gone import READS, codes_of
from tests.faults.waiting import until
from tests.system import NO_TLS, System

OPEN = """mutation ($options: CommandOptions) {
  openAccount(input: {owner: "Ada"}, options: $options) { __typename } }"""
BOUND_SECONDS = 5.0
"""The time of a mutation, if it gives none."""
SLACK_SECONDS = 3.0


@asynccontextmanager
async def operator(servers: Servers) -> AsyncIterator[Any]:
    """A session that may write while others may not."""
    settings = {"default_transaction_read_only": "off"}
    connection = await asyncpg.connect(servers.postgres.url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def refused(client: Client, trouble: str, seconds: float, **options: Any) -> None:
    """A mutation is refused in time, with the server and what is wrong with it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await client.ask(OPEN, options=options)
    took = loop.time() - began
    assert codes_of(answer) == ["UNAVAILABLE"], answer
    extensions = answer["errors"][0]["extensions"]
    assert (extensions["server"], extensions["trouble"]) == ("Postgres", trouble)
    assert took < seconds + SLACK_SECONDS


async def told(parts: System, part: str, trouble: str) -> None:
    """The readiness and the metrics of a part say it."""
    port = parts.operators_port(part)
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:

        async def not_ready() -> bool:
            try:
                answer = await http.get(f"http://127.0.0.1:{port}/health/ready")
            except httpx.ConnectError:  # it is still starting
                return False
            state: str = answer.json()["parts"]["postgres"]
            return answer.status_code == 503 and state.startswith(f"{trouble} since ")

        await until(not_ready, f"{part} says that Postgres is {trouble}", timeout_seconds=20)
        metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    assert f'commander_server_trouble{{server="postgres",state="{trouble}"}} 1.0' in metrics
    assert 'commander_server_up{server="postgres"} 1.0' in metrics


async def test_a_read_only_postgres_is_told_at_once_and_reads_go_on(parts: System, servers: Servers) -> None:
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        async with operator(servers) as connection:
            await connection.execute("alter system set default_transaction_read_only = on")
            await connection.execute("select pg_reload_conf()")
            try:
                for part in ("api", "processor", "projections"):
                    await told(parts, part, "read-only")
                await refused(client, "read-only", 0.2)
                await refused(client, "read-only", 0.2, wait="PROJECTED", commandId=str(uuid4()))
                assert (await client.data(READS["accounts"]))["accounts"]["totalCount"] >= 0
                accepted = await client.data(OPEN, options={"wait": "ACCEPTED"})
                assert accepted["openAccount"]["__typename"] == "CommandAccepted"
            finally:
                await connection.execute("alter system reset default_transaction_read_only")
                await connection.execute("select pg_reload_conf()")
        await asyncio.to_thread(parts.wait_ready)
        await subscriber.until(lambda: len(subscriber.events) == 1, "what was accepted is decided")
        await client.submit("openAccount", {"owner": "Bob"})
        await assert_all_well(client, subscriber)


async def test_a_full_postgres_is_named_to_whoever_waits_and_to_whoever_comes(
    parts: System, servers: Servers
) -> None:
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        async with operator(servers) as connection:
            await connection.execute(
                """create function is_full() returns trigger language plpgsql as $$
                   begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
                   create trigger is_full before insert on events for each row execute function is_full()"""
            )
            try:
                await refused(client, "full", BOUND_SECONDS)  # a processor finds it out
                for part in ("api", "processor", "relay"):
                    await told(parts, part, "full")
                await refused(client, "full", 0.2)
            finally:
                await connection.execute("drop trigger is_full on events; drop function is_full")
        await asyncio.to_thread(parts.wait_ready)
        await subscriber.until(lambda: len(subscriber.events) == 1, "what was stored is decided")
        await client.submit("openAccount", {"owner": "Bob"})
        await assert_all_well(client, subscriber)
