"""The client in clients/typescript goes on through fifty times kill -9, in a random order: `make faults`."""

from __future__ import annotations

from random import Random

from tests.faults.test_typescript import KILLED, goes_on
from tests.system import System

KILLS = 50


async def test_each_position_comes_once_across_fifty_kills(breakable: System) -> None:
    order = Random(17).choices(KILLED, k=KILLS)
    await goes_on(breakable, order)
