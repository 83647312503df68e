"""Parts that fall silent: one stopped while it has the log locked, two cut off from a server.

All at once, so that it takes no longer than one. `make faults` has each alone.
"""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.clusters import Clusters
from tests.faults.audit import assert_all_well
from tests.faults.customers import Client, Known
from tests.faults.network import Cut, missing
from tests.faults.networked import Networked
from tests.faults.recovery import Recovery
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

NAMES = ("api1", "processor1", "processor2", "relay1", "relay2", "projections1", "projections2")
FOLLOW = ("mirrored", "projected", "delivered")


async def test_others_take_over_and_a_log_that_a_stopped_part_has_locked_goes_on(clusters: Clusters) -> None:
    async with (
        Networked(clusters.copy("silence"), NAMES) as system,
        Client(system.url(1)) as client,
        Subscriber(system.url(1, "ws")) as subscriber,
    ):
        quiet = Recovery(system, client, subscriber)
        await quiet.measure(FOLLOW)
        opening, stopped = await stop_in_the_middle_of_an_append(system, client)
        during = Recovery(system, client, subscriber)
        relay, projections = await system.owner("relay"), await system.owner("projections")
        system.cut(relay, "nats", Cut.BOTH_WAYS)
        system.cut(projections, "postgres", Cut.FROM_SERVER)
        await during.measure(FOLLOW)
        await asyncio.gather(*opening)
        during.assert_within_bound(quiet)

        system.network.heal()
        system.parts[stopped].process.send_signal(signal.SIGCONT)
        after = Recovery(system, client, subscriber)
        await asyncio.gather(
            after.measure(FOLLOW), *(system.until_ready(name) for name in (stopped, relay, projections))
        )
        after.assert_within_bound(quiet)
        await assert_all_well(client, subscriber)


async def stop_in_the_middle_of_an_append(
    system: Networked, client: Client
) -> tuple[list[asyncio.Task[Known]], str]:
    """Stops a processor that has appended in a transaction which it has not committed: the log is locked.

    Returns the tasks of commands that wait, and the name of the processor.
    """
    waiting = """select distinct host(client_addr) from pg_stat_activity
                 where application_name = 'commander processor' and wait_event_type = 'Lock'"""
    locked = """select host(client_addr) = $1 from pg_stat_activity
                where application_name = 'commander processor' and state = 'idle in transaction'"""
    async with system.database.connection() as connection, connection.transaction():
        await connection.execute("select from log_lock for update")
        opening = [asyncio.create_task(client.submit("openAccount", {"owner": "Ada"})) for _ in range(30)]

        async def one_appends() -> bool:
            return bool(await system.database.fetch(waiting))

        await until(one_appends, "a processor is in the middle of an append")
        [(address, *_)] = await system.database.fetch(waiting + " limit 1")
        name = system.name_at(address)
        system.parts[name].process.send_signal(signal.SIGSTOP)

    async def has_locked() -> bool:
        return bool(await system.database.fetchval(locked, address))

    await until(has_locked, "the stopped processor has the log locked")
    return opening, name
