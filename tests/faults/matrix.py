"""Each part, stopped or cut off from a server, in each direction, while commands flow: `make faults`.

It takes about half an hour. The times of each case are printed at the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest
import pytest_asyncio

from tests.clusters import Clusters
from tests.faults.audit import assert_all_well
from tests.faults.customers import Client, Customers
from tests.faults.network import Cut, missing
from tests.faults.networked import Networked
from tests.faults.recovery import BOUND_SECONDS, Recovery, calls_of
from tests.faults.subscriber import Subscriber
from tests.forking import fork_server

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

PARTS = ("api", "processor", "relay", "projections", "reactors", "effects")
STOPPED = "stopped"
ALONE = "cut off from both servers"
FAULTS = [STOPPED, ALONE, *((server, cut) for server in ("postgres", "nats") for cut in Cut)]
_LASTS_SECONDS = 14.0
"""How long a fault lasts at least, so that whoever has it is certainly taken for lost."""
_times: dict[str, dict[str, float]] = {}


@pytest_asyncio.fixture(scope="module")
async def system(clusters: Clusters) -> AsyncIterator[Networked]:
    names = [f"{part}{number}" for part in PARTS for number in (1, 2)]
    async with Networked(clusters.copy("networked"), names) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _told() -> Iterator[None]:
    yield
    for case, seconds in _times.items():
        print(f"{case:45} " + "  ".join(f"{what} {taken:4.1f}" for what, taken in seconds.items()))


def _cuts(fault: str | tuple[str, Cut]) -> list[tuple[str, Cut]]:
    if isinstance(fault, str):
        return [(server, Cut.BOTH_WAYS) for server in ("postgres", "nats") if fault == ALONE]
    return [fault]


def _named(fault: str | tuple[str, Cut]) -> str:
    return fault if isinstance(fault, str) else f"{fault[0]} {fault[1]}"


@pytest.mark.parametrize("fault", FAULTS, ids=_named)
@pytest.mark.parametrize("part", PARTS)
async def test_the_others_go_on_and_so_does_the_part_when_the_fault_ends(
    system: Networked, part: str, fault: str | tuple[str, Cut]
) -> None:
    case, called_before = f"{part} {_named(fault)}", calls_of(system)
    async with (
        Client(system.url(2)) as client,
        Subscriber(system.url(2, "ws")) as subscriber,
        Subscriber(system.url(1, "ws")) as of_the_other,
        Customers(client) as customers,
    ):
        await customers.finish(20)
        name = "api1" if part == "api" else await system.owner(part)
        process = system.parts[name].process
        began = asyncio.get_running_loop().time()
        if fault == STOPPED:
            process.send_signal(signal.SIGSTOP)
        for server, cut in _cuts(fault):
            system.cut(name, server, cut)
        try:
            during = Recovery(system, client, subscriber)
            await during.measure()
            _times[f"{case}: fault"] = during.seconds
            await asyncio.sleep(max(0.0, began + _LASTS_SECONDS - asyncio.get_running_loop().time()))
        finally:
            process.send_signal(signal.SIGCONT)
            system.network.heal()
        after = Recovery(system, client, subscriber)
        ready, _ = await asyncio.gather(system.until_ready(name), after.measure())
        after.seconds["ready"] = round(ready, 1)
        _times[f"{case}: healed"] = after.seconds
        await customers.stop()
        await assert_all_well(client, subscriber)
        await of_the_other.until_position(subscriber.cursor or 0)
        of_the_other.assert_each_position_once()
    calls = [calls for position, calls in calls_of(system).items() if position not in called_before]
    assert max(calls) <= (2 if part == "effects" else 1), "only what a fault interrupts is called again"
    during.assert_within_bound()
    after.assert_within_bound()
    assert BOUND_SECONDS < _LASTS_SECONDS


@pytest.mark.parametrize("seed", range(3))
async def test_parts_that_are_stopped_at_random_for_random_times_cost_nothing_but_time(
    system: Networked, seed: int
) -> None:
    random = Random(seed)
    names = [name for name in system.parts if name != "api2"]
    async with (
        Client(system.url(2)) as client,
        Subscriber(system.url(2, "ws")) as subscriber,
        Subscriber(system.url(1, "ws")) as of_the_other,
        Customers(client) as customers,
    ):
        for _ in range(10):
            await asyncio.sleep(random.uniform(0, 1))
            process = system.parts[random.choice(names)].process
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(random.choice((random.uniform(0, 2), random.uniform(5, 9))))
            process.send_signal(signal.SIGCONT)
        after = Recovery(system, client, subscriber)
        await after.measure()
        _times[f"random {seed}: continued"] = after.seconds
        await customers.stop()
        await assert_all_well(client, subscriber)
        await of_the_other.until_position(subscriber.cursor or 0)
        of_the_other.assert_each_position_once()
    after.assert_within_bound()


async def test_verify_finds_nothing_after_all_that(system: Networked) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
    verified = await asyncio.to_thread(fork_server().run, ["verify"], environment | system.environment)
    assert verified.returncode == 0, verified.stdout + verified.stderr
