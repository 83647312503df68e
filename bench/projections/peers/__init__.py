"""b: the same events through the projection runner of `eventsourcing`, on the same Postgres server.

The peer is a program of its own in an environment of its own, made here on first use from requirements.txt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.measuring import Measure
from bench.peer_environments import eventsourcing_environment, install_python
from bench.processes import output_of
from bench.projections.plan import Bench
from bench.timed import Timed

EVENTSOURCING = "eventsourcing's projection runner, as it comes"
EVENTSOURCING_TUNED = "eventsourcing's projection runner, tuned"

_HERE = Path(__file__).resolve().parent
_PYTHON = _HERE / ".venv" / "bin" / "python"
# It commits each event by itself; like Commander's projections, it need not wait for the disk.
_TUNED = {"PGOPTIONS": "-c synchronous_commit=off"}


async def install_eventsourcing() -> None:
    await install_python(_HERE)


async def measure_eventsourcing(bench: Bench) -> list[Measure]:
    return [
        await _measured(bench, EVENTSOURCING, {}),
        await _measured(bench, EVENTSOURCING_TUNED, _TUNED),
    ]


async def _measured(bench: Bench, name: str, tuning: Mapping[str, str]) -> Measure:
    counts = (bench.plan.eventsourcing_accounts, bench.plan.eventsourcing_events)
    async with bench.database(migrated=False) as url:
        printed = await output_of(
            [_PYTHON, _HERE / "eventsourcing_projection.py", *map(str, counts)],
            {**eventsourcing_environment(url), **tuning},
        )
    return Measure(name, "events/s", msgspec.json.decode(printed, type=Timed).per_second)
