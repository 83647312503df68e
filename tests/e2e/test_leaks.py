"""Clients that vanish leave nothing behind in the API: no open file, no memory.

SUBSCRIPTIONS=10000 in the environment makes it more than the 2,000 that the suite runs.
"""

from __future__ import annotations

import asyncio
import os

import psutil
import pytest

from tests.e2e.bank import opened
from tests.e2e.parts import Parts
from tests.e2e.raw import FEED, KINDS, connected, subscribed
from tests.faults.waiting import until

SUBSCRIPTIONS = int(os.environ.get("SUBSCRIPTIONS", "2000"))
AT_ONCE = 200
WARMING_UP = 10
"""Waves with which comes what is allocated once: Postgres's pool, and holes in the heap, as large as what
comes between two runs of the collector of cycles (see `Part.garbage_thresholds`)."""
MOST_WAVES = 80
SETTLED = 16
"""KiB that five waves may add, 1,000 subscriptions. A leak adds more: an object of Python has 48 bytes."""
STEP = 3072
"""KiB: as much as 10,000 young objects hold, before the collector looks at them."""
POOL = 10
"""How many connections to Postgres may be opened for the first time meanwhile: each snapshot reads."""


LISTS = 'subscription{accounts(where:{owner:{eq:"Eve"}}){snapshot}}'
ROWS = 'subscription{account(accountId:"00000000000000000000000000000000"){row{owner}}}'


@pytest.mark.parametrize(
    ("query", "begun", "pool"),
    [(FEED, b"CaughtUp", 0), (LISTS, b"snapshot", POOL), (ROWS, b'"row":null', POOL)],
    ids=["feed", "lists", "rows"],
)
async def test_subscriptions_that_are_cut_leave_no_open_file_and_no_memory(
    parts: Parts, query: str, begun: bytes, pool: int
) -> None:
    parts.start("processor", "relay", "projections")
    [api] = parts.start("api", fork=False)
    process = psutil.Process(api.process.process.pid)

    def clients() -> int:
        return sum(connection.laddr.port == api.port for connection in process.net_connections()) - 1

    async def wave() -> None:
        """Half of them hear the end of the log, the others are cut while they begin."""
        kinds = [KINDS[n % len(KINDS)] for n in range(AT_ONCE // 2)]
        heard = await asyncio.gather(*(subscribed(api.port, kind, query, begun) for kind in kinds))
        assert clients() == len(heard)
        beginning = await asyncio.gather(*(connected(api.port, kind, query) for kind in kinds))
        for raw in (*heard, *beginning):
            raw.cut()
        await until(lambda: clients() == 0, "all connections are gone from the API")

    async def settle(fewest: int) -> list[int]:
        """The memory after each wave, in KiB, until five in a row add next to nothing."""
        sizes = [process.memory_info().rss // 1024]
        while len(sizes) <= fewest or sizes[-1] - sizes[-6] > SETTLED:
            assert len(sizes) <= MOST_WAVES, f"each wave leaves something; KiB after each: {sizes}"
            await wave()
            sizes.append(process.memory_info().rss // 1024)
        return sizes

    await settle(WARMING_UP)
    files = process.num_fds()
    sizes = await settle(SUBSCRIPTIONS // AT_ONCE)
    await asyncio.to_thread(opened, api)  # an event for whoever should still be there
    await until(lambda: process.num_fds() <= files + pool, "all are closed")
    grown = sizes[-1] - sizes[0]
    assert grown < 1024 + pool * 256 + SUBSCRIPTIONS // 10 + STEP, f"KiB after each wave: {sizes}"
    assert api.process.end() == 0
    assert not api.process.lines("Traceback")
    assert not api.process.lines("never retrieved")
