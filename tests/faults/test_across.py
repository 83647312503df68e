"""Rules across streams hold whatever happens to the processors: killed, stopped, stopped with the log held.

What is stored is what one clerk would have answered, who gets the commands in the order of their outcomes.
"""

from __future__ import annotations

import asyncio
import os
import random
from functools import partial
from pathlib import Path

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.log.event_log import head_position
from commander.streaming.log.relay import Relay
from tests.faults.clerk import CODES
from tests.faults.fleet import Fleet
from tests.faults.rounds import DOMAIN, Clients, assert_as_one_clerk, stored_ids
from tests.faults.waiting import until
from tests.forking import fork_server
from tests.streaming.conftest import PARTITIONS, Bank, running, servers

__all__ = ["servers"]

COMMANDS = int(os.environ.get("COMMANDER_FUZZ_ACROSS", "2400"))


def environment_of(servers: Bank, nats_server: EmbeddedNats) -> dict[str, str]:
    """What each processor of the clinic has, and a command."""
    return {
        "COMMANDER_POSTGRES_URL": servers.database.url,
        "COMMANDER_NATS_URL": nats_server.url,
        "COMMANDER_DOMAIN": DOMAIN,
        "COMMANDER_PARTITIONS": str(PARTITIONS),
        "COMMANDER_AUTH": "none",
    }


async def test_each_outcome_is_that_of_one_clerk_however_the_processors_end(
    servers: Bank, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    random_ = random.Random(19)
    environment = environment_of(servers, nats_server)
    clients = Clients(servers, random_)
    relay = Relay(servers.database, servers.nats)
    with Fleet(servers.database, environment, tmp_path, PARTITIONS, random_) as fleet:
        fleet.start()
        fleet.start()
        fleet.start(STOPS_AT="5")
        async with running(clients.send(COMMANDS, fleet.has_seen_all)) as sending, running(relay.run()):
            while not sending.done():
                await fleet.suffer()
            await sending
            head = await head_position(servers.database)
            await until(lambda: relay.position == head, "the mirror has the log", timeout_seconds=60)
    assert await stored_ids(servers.database) == (clients.sent, clients.ids)
    assert (await assert_as_one_clerk(servers.database)).keys() == CODES
    code, told = await verified(environment)
    assert code == 0, told


async def verified(environment: dict[str, str]) -> tuple[int, str]:
    """How `commander verify` ended, and what it said."""
    run = partial(fork_server().run, ["verify", DOMAIN], {**os.environ, **environment}, timeout_seconds=3600)
    ended = await asyncio.to_thread(run)
    return ended.returncode, ended.stdout + ended.stderr
