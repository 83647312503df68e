"""What the owner of partitions does from time to time, beside its deciding, which does not wait for it."""

from __future__ import annotations

import asyncio

from commander.eventstore.database import Database
from commander.streaming.commands.decided_batches import DecidedBatches
from commander.streaming.commands.partition_reader import PartitionReader
from commander.streaming.commands.processor_settings import ProcessorSettings
from commander.streaming.leases import ProcessorLeases

_CONTENDS_AFTER = 20
"""So many large batches in a row that are decided while the log is held are contention for long."""
_PATIENCE_SECONDS = 0.02
"""How long deciding waits at most for something that usually takes milliseconds."""


class Upkeep:
    """Checks whether the partitions are shared as they should be, and removes decided commands.

    A context manager: its exit stops what still runs.
    """

    def __init__(
        self,
        database: Database,
        leases: ProcessorLeases,
        settings: ProcessorSettings,
        batches: DecidedBatches,
    ) -> None:
        self._batches = batches
        self._database = database
        self._leases = leases
        self._settings = settings
        now = asyncio.get_running_loop().time()
        self._check_at = now + settings.rebalance_seconds
        self._purge_at = now + settings.purge_seconds
        self._checking: asyncio.Task[bool] | None = None
        self._purging: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Upkeep:
        return self

    async def __aexit__(self, *_: object) -> None:
        running = [task for task in (self._checking, self._purging) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def found_unbalanced(self) -> bool:
        """Whether a check that has ended found that the partitions are to be shared in another way.

        Begins one when it is time. Raises Unavailable. Processors that contend for long share in another way.
        """
        if self._batches.held >= _CONTENDS_AFTER:
            self._batches.held = 0
            self._leases.contends = True
            return True
        loop = asyncio.get_running_loop()
        if self._checking is None:
            if loop.time() < self._check_at:
                return False
            self._checking = asyncio.create_task(self._leases.is_balanced())
            await asyncio.wait((self._checking,), timeout=_PATIENCE_SECONDS)
        if not self._checking.done():
            return False
        checked, self._checking = self._checking, None
        self._check_at = loop.time() + self._settings.rebalance_seconds
        return not checked.result()

    @property
    def purge_is_due(self) -> bool:
        """Whether it is time to remove decided commands. Raises Unavailable if the last purge did."""
        if self._purging is not None and self._purging.done():
            purged, self._purging = self._purging, None
            purged.result()
        return self._purging is None and asyncio.get_running_loop().time() >= self._purge_at

    def purge(self, reader: PartitionReader, decided: int) -> None:
        """Begins to remove the commands up to this stored sequence."""
        self._purge_at = asyncio.get_running_loop().time() + self._settings.purge_seconds
        self._purging = asyncio.create_task(reader.purge(self._database, decided))
