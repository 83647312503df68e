"""Measures the clocks of NATS, of Postgres and of this process, and tells when they differ.

Deadlines, `notBefore`, ticks and the `now` of deciders go by the clock of NATS (nats/clock.py). `recorded_at`
goes by that of Postgres, but never back. So a clock that jumps changes no deadline, unless it is NATS' own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.clock import log_clock
from commander.streaming.nats.clock import utc_now
from commander.streaming.nats.connection import Nats

logger = logging.getLogger("commander.clocks")

_EVERY_SECONDS = 2.0
_NOTABLE = timedelta(seconds=2)
"""From this difference on there is a warning."""


class _StreamInfo(msgspec.Struct):
    ts: datetime | None = None


_decoder = msgspec.json.Decoder(_StreamInfo)


@dataclass(frozen=True)
class Differences:
    """How far clocks are ahead. process, postgres: of that of NATS. recorded_at: of that of Postgres."""

    process: timedelta = timedelta()
    postgres: timedelta = timedelta()
    recorded_at: timedelta = timedelta()


class ClockWatch:
    """Keeps `nats.clock` right, and warns about each new difference. differences: as last measured."""

    def __init__(
        self, nats: Nats, database: Database, *, process_now: Callable[[], datetime] = utc_now
    ) -> None:
        self._nats = nats
        self._database = database
        self._process_now = process_now
        self._warned: dict[str, timedelta] = {}
        self.differences = Differences()

    async def run(self) -> None:
        """Measures again and again, until cancelled. While a server is unreachable it goes on."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            with suppress(Unavailable):
                await self.measure()

    async def measure(self) -> None:
        """Measures the clocks once. Raises Unavailable."""
        clock = self._nats.clock
        carried = clock.now() if clock.is_known else None
        before = time.monotonic()
        async with self._nats.answering():
            info = await self._nats.client.request(
                f"$JS.API.STREAM.INFO.{self._nats.names.commands}", b"", timeout=5
            )
        after = time.monotonic()
        if (server_time := _decoder.decode(info.data).ts) is None:
            raise Unavailable("NATS", f"the stream {self._nats.names.commands} does not exist")
        unsure = timedelta(seconds=(after - before) / 2)
        if carried is None:
            clock.set(server_time, (before + after) / 2)
        elif abs(jumped := server_time - carried - unsure) > unsure:
            clock.set(server_time, (before + after) / 2)
            self._warn_of_jump(jumped, unsure)
        process = self._process_now() - clock.now()
        before = time.monotonic()
        postgres = await log_clock(self._database)
        half = timedelta(seconds=(time.monotonic() - before) / 2)
        offset = postgres.now - (clock.now() - half)
        clock.postgres_offset = measured(clock.postgres_offset, offset, half)
        held = max(timedelta(), postgres.recorded_at - postgres.now)
        self.differences = Differences(process, clock.postgres_offset, held)
        self._warn("the clock of this process is %.0f s ahead of that of NATS", process)
        self._warn("the clock of Postgres is %.0f s ahead of that of NATS", clock.postgres_offset)
        self._warn("the clock of Postgres was set back: recorded_at stands still for %.0f s", held)

    def _warn_of_jump(self, jumped: timedelta, unsure: timedelta) -> None:
        if abs(jumped) - unsure > _NOTABLE:
            text = "the clock of NATS has jumped by %.0f s: deadlines and notBefore go by it"
            logger.warning(text, jumped.total_seconds())

    def _warn(self, text: str, difference: timedelta) -> None:
        """Warns when a difference appears or has grown, and says when it is gone."""
        warned = self._warned.get(text, timedelta())
        if abs(difference) > _NOTABLE:
            if abs(difference - warned) > _NOTABLE and abs(difference) > abs(warned):
                logger.warning(text, difference.total_seconds())
            self._warned[text] = difference
        elif warned:
            logger.info("no longer true: " + text, warned.total_seconds())
            del self._warned[text]


def measured(before: timedelta, now: timedelta, unsure: timedelta) -> timedelta:
    """The difference between two clocks: as before, if a new measurement does not contradict that.

    unsure: how wrong the new one may be, because its answer took that long.
    """
    return now if abs(now - before) > unsure else before
