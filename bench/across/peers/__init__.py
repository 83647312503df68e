"""d, e: the same transfers through other event stores, on the same Postgres server.

Each peer is a program of its own in an environment of its own, made here on first use: `.venv` from
requirements.txt, `node_modules` from package-lock.json.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.across.plan import Bench
from bench.measuring import Measure
from bench.peer_environments import eventsourcing_environment, install_node, install_python
from bench.processes import output_of
from bench.timed import Timed

_HERE = Path(__file__).resolve().parent
_PYTHON = _HERE / ".venv" / "bin" / "python"
_AT_A_TIME = {"one": 1, "ten": 10}
_DCB = "eventsourcing.dcb.postgres_tt"
"""Its recorder with tags, on Postgres."""


async def install_eventsourcing() -> None:
    await install_python(_HERE)


async def install_emmett() -> None:
    await install_node(_HERE)


async def measure_eventsourcing(bench: Bench) -> list[Measure]:
    measures = []
    for words, at_a_time in _AT_A_TIME.items():
        counts = _texts(bench.plan.accounts, bench.plan.eventsourcing_transfers, at_a_time)
        async with bench.database(migrated=False) as url:
            environment = {**eventsourcing_environment(url), "PERSISTENCE_MODULE": _DCB}
            printed = await output_of([_PYTHON, _HERE / "eventsourcing_transfers.py", *counts], environment)
        measures.append(_measure(f"eventsourcing, {words} at a time", printed))
    return measures


async def measure_emmett(bench: Bench) -> list[Measure]:
    measures = []
    for words, at_a_time in _AT_A_TIME.items():
        counts = _texts(bench.plan.accounts, bench.plan.emmett_transfers, at_a_time)
        async with bench.database(migrated=False) as url:
            printed = await output_of(["node", _HERE / "emmett_transfers.mjs", url, *counts])
        measures.append(_measure(f"emmett, {words} at a time", printed))
    return measures


def _texts(*counts: int) -> list[str]:
    return [str(count) for count in counts]


def _measure(name: str, printed: bytes) -> Measure:
    return Measure(name, "transfers/s", msgspec.json.decode(printed, type=Timed).per_second)
