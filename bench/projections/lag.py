"""c: how far behind the log a projection is, under a steady stream of commands, every part a process."""

from __future__ import annotations

import time

from bench.audit import audit_system
from bench.filling import deposits, open_accounts
from bench.measuring import Measure
from bench.pacing import due
from bench.processes import until
from bench.projections.plan import Bench
from bench.servers import PARTITIONS, System
from commander.eventstore.log.event_log import head_position
from commander.streaming.commands.messages import encoded, message_of_many
from commander.streaming.nats.chunks import RawMessage
from commander.streaming.nats.publishing import publish
from commander.streaming.nats.signals import PROJECTIONS, signal_subject

LAG_P99 = "lag of a projection at 2,000 commands/s, p99"

_PER_SECOND = 2000


async def measure_lag(bench: Bench) -> list[Measure]:
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, bench.plan.lag_accounts)
        async with system.parts("processor", "relay", "projections", "reactors"):
            await system.until_followed()
            moves = _Moves()
            await _listen(system, moves)
            commands = deposits(accounts, bench.plan.lag_commands)
            data = [encoded(command) for command in commands]
            streams = [command.stream for command in commands]
            began = time.perf_counter()
            async for numbers in due(len(data), _PER_SECOND):
                due_now = slice(numbers.start, numbers.stop)
                names = system.nats.names
                message = message_of_many(names, data[due_now], streams[due_now], PARTITIONS)
                await publish(system.nats, [message])
            seconds = time.perf_counter() - began
            await system.until_followed()
            await moves.until(await head_position(system.database))
        await audit_system(system, opened + [command.command_id for command in commands])
        milliseconds = await _lags(system, len(accounts), moves)
    return [
        Measure("commands in that time", "commands/s", len(data) / seconds),
        Measure("lag of a projection at 2,000 commands/s, p50", "ms", _percentile(milliseconds, 50)),
        Measure(LAG_P99, "ms", _percentile(milliseconds, 99)),
    ]


class _Moves:
    """The positions of a projection that were signalled, each with the wall clock time, in order."""

    def __init__(self) -> None:
        self.received: list[tuple[int, float]] = []

    def receive(self, messages: list[RawMessage]) -> None:
        now = time.time()
        self.received += [(int(message.data), now) for message in messages]

    async def until(self, position: int) -> None:
        """Waits until the projection has signalled this position. Raises TimeoutError."""

        async def received() -> bool:
            return bool(self.received) and self.received[-1][0] >= position

        await until(received, timeout_seconds=10)


async def _listen(system: System, moves: _Moves) -> None:
    """From when the table serves: before, it is filled."""

    async def serves() -> bool:
        return await _table(system) is not None

    await until(serves, timeout_seconds=60)
    await system.nats.client.subscribe_chunks(
        signal_subject(system.nats.names, PROJECTIONS, str(await _table(system))), moves.receive
    )
    await system.nats.client.flush()


async def _table(system: System) -> str | None:
    name: str | None = await system.database.fetchval(
        "select table_name from projections where name = 'account' and serving"
    )
    return name


async def _lags(system: System, after: int, moves: _Moves) -> list[float]:
    """Of each event, how long after it was recorded the projection told that it has it; sorted."""
    rows = await system.database.fetch(
        "select position, extract(epoch from recorded_at)::float8 from events where position > $1 order by 1",
        after,
    )
    moved = iter(moves.received)
    position, at = next(moved)
    lags = []
    for event, recorded in rows:
        while position < event:
            position, at = next(moved)
        lags.append((at - recorded) * 1000)
    return sorted(lags)


def _percentile(sorted_: list[float], percent: float) -> float:
    return sorted_[min(len(sorted_) - 1, int(len(sorted_) * percent / 100))]
