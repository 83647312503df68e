"""Measures the system once a second for all viewers of this process, while there are any.

nobody watches ─► measuring, once a second ─► nobody watches …
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from commander.domain import Domain
from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.streaming.commands.queue_watch import QueueWatch
from commander.streaming.nats.connection import Nats
from commander.streaming.system.api_processes import ApiProcesses, OwnFigures
from commander.streaming.system.figures import System
from commander.streaming.system.making import Making
from commander.streaming.system.reading import Reading

logger = logging.getLogger("commander.system")

_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


class SystemWatch:
    """Measures a system. queue: as this process watches it. own: what this process knows of itself."""

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        queue: QueueWatch,
        own: Callable[[], OwnFigures],
    ) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._queue = queue
        self._processes = ApiProcesses(nats, own)
        self._watchers = 0
        self._wanted = asyncio.Event()
        self._moved = asyncio.Event()
        self._last: System | Unavailable | None = None
        self._asked: tuple[float, System] | None = None
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        """Measures while somebody watches, and answers other processes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._processes.run())
            group.create_task(self._measure_while_watched())

    async def follow(self) -> AsyncGenerator[System, None]:
        """The figures, once a second; a slow viewer gets the newest. While a server is lost: the last ones.

        Raises Unavailable if there are none yet.
        """
        self._watchers += 1
        self._wanted.set()
        seen = None
        try:
            while True:
                if isinstance(self._last, Unavailable):
                    raise self._last
                if self._last is None or self._last is seen:
                    await self._moved.wait()
                    continue
                seen = self._last
                yield seen
        finally:
            self._watchers -= 1

    async def now(self) -> System:
        """The figures of now, measured at most once a second. If nobody watches, they have no rates.

        Raises Unavailable.
        """
        if isinstance(self._last, System):
            return self._last
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._asked is None or self._asked[0] <= loop.time() - _PAUSE_SECONDS:
                measured = await self._measured(Reading(self._database, self._nats), Making(self._domain))
                self._asked = loop.time(), measured
            return self._asked[1]

    async def _measure_while_watched(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            reading, making = Reading(self._database, self._nats), Making(self._domain)
            while self._watchers:
                began = loop.time()
                self._last = await self._next(reading, making)
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
                await asyncio.sleep(max(_PAUSE_SECONDS / 2, began + _PAUSE_SECONDS - loop.time()))
            self._wanted.clear()
            self._last = None

    async def _next(self, reading: Reading, making: Making) -> System | Unavailable:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._measured(reading, making)
        except TimeoutError:
            lost = Unavailable("Postgres", f"it has not answered for {_PATIENCE_SECONDS:g} seconds")
        except Unavailable as error:
            lost = error
        return replace(self._last, outage=str(lost)) if isinstance(self._last, System) else lost

    async def _measured(self, reading: Reading, making: Making) -> System:
        await self._processes.ask()
        if self._queue.last is None:
            await self._queue.read()
        found = await reading.read()
        return making.system(found, self._queue, self._processes.now(found.log.position))
