"""b, c: the same deposits through other event stores, on the same Postgres server.

Each peer is a program of its own in an environment of its own, made here on first use: `.venv` from
requirements.txt, `node_modules` from package-lock.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.commands.plan import Bench
from bench.measuring import Measure
from bench.peer_environments import eventsourcing_environment, install_node, install_python
from bench.processes import output_of
from bench.timed import Timed

EVENTSOURCING = "eventsourcing, as it comes"
EVENTSOURCING_TUNED = "eventsourcing, tuned"
EMMETT = "emmett, one at a time"
EMMETT_TEN = "emmett, ten at a time"

_HERE = Path(__file__).resolve().parent
_PYTHON = _HERE / ".venv" / "bin" / "python"
# All that makes it faster where one process alone writes: aggregates stay in memory and are not looked up
# again, and a save is one call of a database function.
_TUNED = {
    "AGGREGATE_CACHE_MAXSIZE": "100000",
    "AGGREGATE_CACHE_FASTFORWARD": "n",
    "POSTGRES_ENABLE_DB_FUNCTIONS": "y",
}


async def install_eventsourcing() -> None:
    await install_python(_HERE)


async def install_emmett() -> None:
    await install_node(_HERE)


async def measure_eventsourcing(bench: Bench) -> list[Measure]:
    return [
        await _eventsourcing(bench, EVENTSOURCING, {}),
        await _eventsourcing(bench, EVENTSOURCING_TUNED, _TUNED),
    ]


async def measure_emmett(bench: Bench) -> list[Measure]:
    return [await _emmett(bench, EMMETT, 1), await _emmett(bench, EMMETT_TEN, 10)]


async def _eventsourcing(bench: Bench, name: str, tuning: Mapping[str, str]) -> Measure:
    arguments = (str(bench.plan.accounts), str(bench.plan.eventsourcing_deposits))
    async with bench.database(migrated=False) as url:
        environment = {**eventsourcing_environment(url), **tuning}
        printed = await output_of([_PYTHON, _HERE / "eventsourcing_deposits.py", *arguments], environment)
    return Measure(name, "commands/s", msgspec.json.decode(printed, type=Timed).per_second)


async def _emmett(bench: Bench, name: str, at_a_time: int) -> Measure:
    counts = (bench.plan.accounts, bench.plan.emmett_deposits, at_a_time)
    async with bench.database(migrated=False) as url:
        printed = await output_of(["node", _HERE / "emmett_deposits.mjs", url, *map(str, counts)])
    return Measure(name, "commands/s", msgspec.json.decode(printed, type=Timed).per_second)
