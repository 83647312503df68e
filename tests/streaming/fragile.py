"""A domain whose decider kills or hangs its process, and a processor of it as a process of its own.

Its arguments: POSTGRES_URL NATS_URL PARTITIONS
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain
from commander.eventstore.database import Database
from commander.streaming.commands.processor import Processor
from commander.streaming.commands.processor_settings import ProcessorSettings
from commander.streaming.nats.connection import Nats
from commander.streaming.watchdog import Watchdog, start_timer
from tests.names import NAMES

BATCH = 10

fragile = Domain("fragile")


@fragile.event
@dataclass(frozen=True)
class Counted:
    counter_id: UUID
    fatal: bool = False


@fragile.command
@dataclass(frozen=True)
class Count:
    counter_id: UUID
    how: str = "well"


@fragile.aggregate(key="counter_id")
@dataclass(frozen=True)
class Counter:
    count: int = 0

    def decide(self, command: Count) -> Counted:
        if command.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if command.how == "hang":
            sum(iter(int, 1))  # C code, which runs no signal handler of Python
        return Counted(command.counter_id)

    def counted(self, event: Counted) -> Counter:
        if event.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, count=self.count + 1)


async def work(postgres_url: str, nats_url: str, partitions: int) -> None:
    nats = Nats(nats_url, NAMES)
    await nats.connect("fragile")
    settings = ProcessorSettings(partitions, batch_size=BATCH, rebalance_seconds=0.1)
    start_timer(Watchdog(fragile, seconds=0.5))
    await Processor(fragile, Database(postgres_url), nats, settings).run()


def main() -> None:
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
