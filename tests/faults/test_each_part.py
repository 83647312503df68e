"""Each part and each server is killed while customers work; `commander dev` starts it again by itself."""

from __future__ import annotations

import pytest

from tests.faults.audit import assert_all_well, assert_kinds_of_transfers
from tests.faults.customers import Client, Customers
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until
from tests.system import PARTS, System

SERVERS = ("postgres", "nats-server")


@pytest.mark.parametrize("name", [*PARTS, *SERVERS])
async def test_killed_under_load_it_comes_back_and_nothing_is_lost_or_done_twice(
    breakable: System, name: str
) -> None:
    async with (
        Client(breakable.url) as client,
        Subscriber(breakable.ws_url) as subscriber,
        Customers(client) as customers,
    ):
        await customers.finish(20)
        before = await _pids(breakable)
        breakable.kill(name)
        await customers.finish(20)
        await customers.stop()
        await assert_all_well(client, subscriber)
        await assert_kinds_of_transfers(customers)
        after = await _pids(breakable)
        others = [part for part in after if after[part] != before[part]]
        assert others == [name], f"the others live on:\n{breakable.log.read_text()[-6000:]}"


async def _pids(system: System) -> dict[str, int]:
    """Of all parts and servers; one that was killed may be about to be started again."""
    found: dict[str, int] = {}

    async def all_run() -> bool:
        try:
            found.update({name: system.find(name).pid for name in (*PARTS, *SERVERS)})
        except LookupError:
            return False
        return True

    await until(all_run, "all parts run")
    return found
